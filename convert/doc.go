// Package convert turns a model's folder into another: an adapter is merged into its model, a Hugging Face folder becomes one
// that Cybertron serves, and that one a Hugging Face folder again. What belongs here is reading, writing and reading back;
// what formats are like belongs to packages model and checkpoint.
//
//	report, err := convert.Merge(ctx, "smollm2", "run", "merged", checkpoint.DTypeF32)
//	report, err := convert.Convert(ctx, convert.Options{Model: "merged", Output: "served", To: convert.ToCybertron})
package convert
