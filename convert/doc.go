// Package convert writes a model's folder in another form: Merge merges an adapter into its model, and Convert turns a
// Hugging Face folder into one that Cybertron serves, or back. What belongs here is reading, writing and checking what
// was written. The formats themselves belong to packages model and checkpoint.
//
//	merged, err := convert.Merge(ctx, "smollm2", "run", "merged", checkpoint.DTypeF32)
//	if err != nil {
//		return err
//	}
//	fmt.Println(merged.Largest) // how far the merged model's logits are from those of the base with the adapter
//	served, err := convert.Convert(ctx, convert.Options{Model: "minilm", Output: "served", To: convert.ToCybertron})
//	fmt.Println(served.Parameters)
//
// # Overview
//
// [Merge] writes the folder and returns a [MergeReport]. [Convert] takes [Options] and returns a [Report]: what was
// converted, what was dropped, and warnings. A new folder appears only once it is complete and has been read back.
package convert
