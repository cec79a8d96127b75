// Package experiments reproduces tables of a paper: it runs the rows of a recipe, each with a grid search and several
// seeds, and writes the results next to the published figures. What belongs here is which runs a table needs and how it
// reports them; a single run belongs to package finetune.
//
//	err := experiments.Run(ctx, "memory", experiments.Options{Recipes: recipes.Files, Preset: "tiny", Out: os.Stdout})
//
// # Overview
//
// [Tables] lists the tables, [Presets] the sizes that they come in, and [Run] makes one as [Options] say. Each run
// leaves a [Record] of its settings, its machine and its results. A finished run is never repeated.
package experiments
