// Package convert writes a model's folder in another form: Merge merges an adapter into its model, and Convert turns a
// Hugging Face folder into one that Cybertron serves, or back. What belongs here is reading, writing and checking what was
// written. The formats themselves belong to packages model and checkpoint.
//
//	report, err := convert.Merge(ctx, "smollm2", "run", "merged", checkpoint.DTypeF32)
//	report, err := convert.Convert(ctx, convert.Options{Model: "merged", Output: "served", To: convert.ToCybertron})
package convert
