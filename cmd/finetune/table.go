package main

import (
	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/recipes"
)

// tableCmd makes a table of the paper.
type tableCmd struct {
	Name   string   `arg:"" help:"memory, pretraining, ablation, main or rank."`
	Preset string   `default:"tiny" help:"tiny (the embedded model; minutes), smollm2 (hours) or paper (its own set-up)."`
	Seeds  int      `placeholder:"N" help:"How many seeds a row is run with; 0 is the preset's number."`
	Row    []string `sep:"," placeholder:"ROW" help:"Make only these rows: NAME, GROUP or GROUP/NAME; may be repeated."`
	Output string   `placeholder:"DIR" help:"Folder of the table; NAME-PRESET by default."`
	Model  string   `placeholder:"DIR" help:"Folder of the model, in place of the recipes'; of the tokenizer where they train from random weights."`
	Data   string   `placeholder:"DIR" help:"Folder of the data, in place of the recipes' data."`
	Set    []string `short:"s" sep:"none" placeholder:"KEY=VALUE" help:"Set a recipe's key in all rows; may be repeated."`
	Resume bool     `help:"Go on with what is in the output folder."`
	threadsFlag
}

// Help is shown by --help.
func (tableCmd) Help() string {
	return `Runs what is missing, keeps a JSON record of each run in DIR/rows and writes Markdown, CSV and plots into DIR. A finished run is never
run again. Rows whose model or data are not there are named; the published figures are printed all the same. The rows are
the recipes PRESET/NAME*.yaml; docs/reproduction.md says what the presets mean.

Examples:
  finetune table memory                             Table 2 in small, on the embedded model
  finetune table memory --resume                    go on after Ctrl-C
  finetune table ablation --preset smollm2 --model smollm2 --data evaldata
  finetune table main --preset smollm2 --row mathematics/lora-8,mathematics/mora-8 --model smollm2 --data evaldata
  finetune table main --preset paper                the published rows, and what is missing to run them`
}

// Run makes the table.
func (c *tableCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	b := thisBuild()
	o := experiments.Options{Recipes: recipes.Files, Preset: c.Preset, Output: c.Output, Seeds: c.Seeds, Only: c.Row, Resume: c.Resume,
		Model: c.Model, Data: c.Data, Settings: c.Set, Commit: b.Revision, Log: g.Log, Out: g.Stdout}
	if b.Modified {
		o.Commit += ", modified"
	}
	done := func() {}
	if g.terminal() {
		o.Progress, done = bar(g.Stderr)
	}
	err := experiments.Run(g.Ctx, c.Name, o)
	done()
	return err
}
