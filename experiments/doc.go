// Package experiments makes tables of runs: it runs the rows of a recipe, each with a search for its settings and several
// seeds, tests the rows against a baseline, and writes the results next to published figures. What belongs here is which
// runs a table needs and how it reports them; a single run belongs to package finetune.
//
//	err := experiments.Run(ctx, "mine.yaml", experiments.Options{Out: os.Stdout})
//
// # Overview
//
// [Run] makes the table of a recipe file, or one of the paper's, which [Tables] and [Presets] list, as [Options] say.
// [Search] only searches. [Columns] lists what a table can report. Each run leaves a [Record] of its settings, its
// machine and its results. A finished run is never repeated.
package experiments
