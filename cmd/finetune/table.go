package main

import (
	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/internal/build"
	"github.com/spagotune/spagotune/recipes"
)

// tableCmd is the verb table.
type tableCmd struct {
	Name   string   `arg:"" help:"memory, pretraining, ablation, main or rank."`
	Preset string   `default:"tiny" placeholder:"NAME" help:"tiny (the embedded model; minutes), smollm2 (hours) or paper (the paper's own setup). Default ${default}."`
	Seeds  int      `placeholder:"N" help:"Number of seeds for each row. 0 means the preset's number."`
	Row    []string `sep:"," placeholder:"ROW" help:"Run only these rows: NAME, GROUP or GROUP/NAME; may be repeated."`
	Output string   `placeholder:"DIR" help:"Folder of the table. By default NAME-PRESET."`
	Model  string   `hub:"model" placeholder:"NAME" help:"Folder or name of the model to use instead of the recipes', or of the tokenizer if they train from random weights."`
	Data   string   `placeholder:"DIR" help:"Folder to use instead of the recipes' folder data."`
	Set    []string `short:"s" sep:"none" placeholder:"KEY=VALUE" help:"Set a key of the recipe in all rows; may be repeated."`
	Resume bool     `help:"Continue the table in the output folder."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (tableCmd) Help() string {
	return `Carries out the runs that have not finished yet, keeps a JSON record of each in DIR/rows and writes Markdown, CSV and plots into
DIR. A finished run is never repeated. Rows whose model or data are missing are listed, and the published figures are printed anyway.
The rows are the recipes PRESET/NAME*.yaml; docs/reproduction.md explains the presets.

Examples:
  finetune table memory                             a small version of Table 2, on the embedded model
  finetune table memory --resume                    continue after Ctrl-C
  finetune table ablation --preset smollm2 --model smollm2 --data evaldata
  finetune table main --preset smollm2 --row mathematics/lora-8,mathematics/mora-8 --model smollm2 --data evaldata
  finetune table main --preset paper                the published rows, and what is missing to run them`
}

// Run makes the table.
func (c *tableCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	b := build.This(version)
	o := experiments.Options{Recipes: recipes.Files, Preset: c.Preset, Output: c.Output, Seeds: c.Seeds, Only: c.Row, Resume: c.Resume,
		Model: c.Model, Data: c.Data, Settings: c.Set, Commit: b.Revision, Log: g.Log, Out: g.Stdout}
	if b.Modified {
		o.Commit += ", modified"
	}
	done := func() {}
	if g.terminal() {
		bar := &progress{w: g.Stderr}
		o.Progress, done = bar.update, bar.done
	}
	err := experiments.Run(g.Ctx, c.Name, o)
	done()
	return err
}
