package main

import (
	"context"

	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/recipes"
)

// experimentFlags are the flags of table and search.
type experimentFlags struct {
	Row     []string `sep:"," placeholder:"ROW" help:"Run only these rows: NAME, GROUP or GROUP/NAME; may be repeated."`
	Model   string   `hub:"model" placeholder:"NAME" help:"Folder or name of the model to use instead of the recipes', or of the tokenizer if they train from random weights."`
	Data    string   `placeholder:"DIR" help:"Folder to use instead of the recipes' folder data."`
	Set     []string `short:"s" sep:"none" placeholder:"KEY=VALUE" help:"Set a key of the recipe in all rows; may be repeated."`
	Shard   string   `placeholder:"I/N" help:"This process is the I-th of N that make the same table in the same folder, also on other machines. By default what Slurm, Kubernetes or mpirun say."`
	Collect bool     `help:"Only make the table of the runs that are finished."`
	DryRun  bool     `help:"Only print the number of runs and about how long they take. Write nothing."`
	threadsFlag
}

// run makes a table or a search of it.
func (f *experimentFlags) run(g *globals, name string, o experiments.Options, do func(context.Context, string, experiments.Options) error) error {
	if err := f.apply(); err != nil {
		return err
	}
	o.Recipes, o.Only, o.Model, o.Data, o.Settings, o.DryRun = recipes.Files, f.Row, f.Model, f.Data, f.Set, f.DryRun
	o.Collect = f.Collect
	var err error
	if o.Shard, err = f.shard(g); err != nil {
		return err
	}
	o.Version, o.Log, o.Out = version, g.Log, g.Stdout
	o.Resolve = func(r *finetune.Recipe) error { return r.EachPath(g.Names.resolve) }
	done := func() {}
	if g.terminal() {
		bar := &progress{w: g.Stderr}
		o.Progress, done = bar.update, bar.done
	}
	err = do(g.Ctx, name, o)
	done()
	return err
}

// tableCmd is the verb table.
type tableCmd struct {
	Name   string `arg:"" placeholder:"FILE.yaml" help:"A recipe, FILE.yaml; or one of the paper's tables: memory, pretraining, ablation, main or rank."`
	Preset string `placeholder:"NAME" help:"Of the paper's tables: tiny (the embedded model), smollm2 (hours), paper (the paper's own setup) or released (the released commands). Default tiny."`
	Seeds  int    `placeholder:"N" help:"Number of seeds for each row. 0 means the recipe's number."`
	Output string `placeholder:"DIR" help:"Folder of the table. By default NAME-PRESET, or the file's name. A table that was stopped goes on in it."`
	experimentFlags
}

// Help returns notes and examples for --help.
func (tableCmd) Help() string {
	return `Each entry of the recipe's compare is a row. A row with a search is first run for the values in it; then it is run with several seeds at its
best values. A JSON record of each run is kept in DIR/rows, and Markdown, CSV and plots are written into DIR. A run that has a record is
never repeated, so after Ctrl-C the same command goes on. Rows whose model or data are missing are listed. docs/reproduction.md has the keys.

Examples:
  finetune table mine.yaml                          a table of your own rows
  finetune table mine.yaml --dry-run                how many runs it needs, and how long they take
  finetune table memory                             a small version of the paper's Table 2, on the embedded model
  finetune table ablation --preset smollm2 --model smollm2 --data evaldata
  finetune table main --preset smollm2 --row mathematics/lora-8,mathematics/mora-8 --model smollm2 --data evaldata
  finetune table memory --shard 2/3 --output DIR    one of three processes that make it, here or elsewhere
  finetune table main --preset paper                the published rows, and what is missing to run them`
}

// Run makes the table.
func (c *tableCmd) Run(g *globals) error {
	return c.run(g, c.Name, experiments.Options{Preset: c.Preset, Output: c.Output, Seeds: c.Seeds}, experiments.Run)
}

// searchCmd is the verb search.
type searchCmd struct {
	Recipe string `arg:"" placeholder:"RECIPE.yaml" help:"YAML recipe with the key search."`
	Output string `placeholder:"DIR" help:"Folder of the search. By default the recipe's name. A search that was stopped goes on in it."`
	experimentFlags
}

// Help returns notes and examples for --help.
func (searchCmd) Help() string {
	return `Runs the recipe for all combinations of the values in its key search, such as
  search: {learning_rate: [1.0e-4, 3.0e-4, 1.0e-3], lora_alpha: [16, 64]}
and goes on beyond the end of a list while the best value is there. Runs whose loss falls behind end early. The best recipe is written into DIR
with the command that trains it. The best is that with the lowest held-out loss; search: {metric: score} chooses by another column of a table.

Examples:
  finetune search recipe.yaml
  finetune search recipe.yaml --dry-run             how many runs it needs, and how long they take`
}

// Run searches.
func (c *searchCmd) Run(g *globals) error {
	return c.run(g, c.Recipe, experiments.Options{Output: c.Output}, experiments.Search)
}
