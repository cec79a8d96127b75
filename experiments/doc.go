// Package experiments makes tables of runs: rows of a recipe, each with a search and seeds, beside the figures that a paper
// has published. What belongs here is which runs there are and what is said of them; a run belongs to package finetune.
//
//	err := experiments.Run(ctx, "memory", experiments.Options{Recipes: recipes.Files, Preset: "tiny", Out: os.Stdout})
package experiments
