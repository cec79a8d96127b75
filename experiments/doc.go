// Package experiments makes tables of runs: rows of a recipe, each with a search and seeds, beside the figures that a paper
// has published. What belongs here is which runs there are and what is said of them; a run belongs to package finetune.
//
//	err := experiments.Run(ctx, "memory", experiments.Options{Recipes: recipes.Files, Preset: "tiny", Out: os.Stdout})
//
// # What a user meets
//
// [Tables] lists the tables, [Presets] the sizes that they come in, and [Run] makes one as [Options] say. Each run leaves a
// [Record]: its settings, where it ran, and what it came to. A finished run is never run again.
package experiments
