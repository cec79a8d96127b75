package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/recipes"
)

// trainCmd is the verb train. Without arguments it runs recipes/quickstart.yaml.
type trainCmd struct {
	runFlags
	MaxTime   time.Duration `placeholder:"TIME" help:"Stop in a checkpoint after this time, such as 90m or 2h; the exit code is then 124."`
	ShowBatch bool          `help:"Print the first row, decoded, with its scored part marked, and go on; with --dry-run, stop there."`
	DryRun    bool          `help:"Only print steps, tokens, trainable parameters, memory and time. Write nothing."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (trainCmd) Help() string {
	return `A recipe is a YAML file whose keys are named as in Hugging Face's Trainer and PEFT: learning_rate, max_steps, r, lora_alpha …
Flags override its keys, and --set sets any key. Without a recipe, --model, --task, --data and --output describe the run.

Examples:
  finetune train                                    the quickstart, which compares MoRA and LoRA in minutes
  finetune train --model smollm2 --task math --data gsm8k/train.jsonl --output run
  finetune train recipe.yaml --set learning_rate=1e-4 --set max_steps=200
  finetune train recipe.yaml --dry-run              what the run would take
  finetune train --resume --output run              continue after Ctrl-C, with the recipe that the folder keeps
  finetune train --resume --output run --set max_steps=400`
}

// Run carries out every run of the recipe and prints a report.
func (c *trainCmd) Run(g *globals) error {
	runs, err := c.parse()
	if err != nil {
		return err
	}
	if err := g.Names.recipes(runs); err != nil {
		return err
	}
	if err := g.Names.namedByAdapters(runs); err != nil {
		return err
	}
	if err := c.apply(); err != nil {
		return err
	}
	if c.DryRun {
		return c.dryRun(g, runs)
	}
	if err := refuseSearch(c.Recipe, runs); err != nil {
		return err
	}
	if err := g.joinRanks(runs[0].Config.Save.OutputDir); err != nil {
		return err
	}
	if g.leads() {
		if err := c.keepRecipes(runs); err != nil {
			return err
		}
	}
	var curves []finetune.Curve
	var last *finetune.Result
	output := ""
	for _, r := range runs {
		run := inFolder(r)
		if run.Save.OutputDir == "" {
			return errors.New("output_dir is empty; name a folder with --output")
		}
		output = r.Config.Save.OutputDir
		if r.Name != "" {
			g.printf("\n== %s: %s\n", r.Name, run.Method.Name)
		}
		if last, err = c.one(g, run); err != nil {
			return err
		}
		if !g.leads() {
			continue
		}
		curve, err := finetune.ReadCurve(r.Name, run.Save.OutputDir)
		if err != nil {
			return err
		}
		curves = append(curves, curve)
	}
	if !g.leads() {
		return nil
	}
	return c.report(g, output, runs, last, curves)
}

// keepRecipes writes the recipe of several runs into the folder that theirs are in; a single run does so itself. That of runs which
// are there stays, unless they are resumed or replaced: the first of these runs is refused then.
func (c *trainCmd) keepRecipes(runs []finetune.Recipe) error {
	dir := runs[0].Config.Save.OutputDir
	if runs[0].Name == "" || dir == "" {
		return nil
	}
	path := filepath.Join(dir, finetune.RecipeFile)
	if _, err := os.Stat(path); err == nil && !c.Resume && !c.Overwrite {
		return nil
	}
	text, err := finetune.EncodeRecipes(runs...)
	if err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	return checkpoint.AtomicFile(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// dryRun prints the plan of every run.
func (c *trainCmd) dryRun(g *globals, runs []finetune.Recipe) error {
	known, err := fs.Sub(recipes.Files, "models")
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Name != "" {
			g.printf("\n== %s: %s\n", r.Name, r.Config.Method.Name)
		}
		p, err := finetune.DryRun(g.Ctx, r.Config, known, finetune.Options{ShowBatch: c.ShowBatch, Log: g.Log, Out: g.Stdout})
		if err != nil {
			return err
		}
		if c.ShowBatch && len(p.Missing) > 0 {
			g.printf("no row is shown, since inputs are missing\n")
		}
		p.Write(g.Stdout)
	}
	return nil
}

// one carries out a single run, with a progress bar on a terminal.
func (c *trainCmd) one(g *globals, run finetune.Config) (*finetune.Result, error) {
	o := finetune.Options{Resume: c.Resume, Overwrite: c.Overwrite, MaxTime: c.MaxTime, Version: version, ShowBatch: c.ShowBatch, Log: g.Log, Out: g.Stdout, Ranks: g.ranks()}
	done := func() {}
	if g.terminal() {
		bar := &progress{w: g.Stderr}
		o.Progress, done = bar.update, bar.done
		o.Log = logger(bar, g.Stderr, g.LogFormat).Hook(zerolog.HookFunc(withoutSteps))
	}
	r, err := finetune.Run(g.Ctx, run, o)
	done()
	if err != nil {
		return r, err
	}
	g.printf("%s in %s: %d tokens, %.0f per second\n", r.Reason,
		time.Duration(r.Seconds*float64(time.Second)).Round(time.Second), r.Tokens, float64(r.Tokens)/max(r.Seconds, 1e-9))
	return r, nil
}

// report prints the curves and what to do next.
func (c *trainCmd) report(g *globals, output string, runs []finetune.Recipe, last *finetune.Result, curves []finetune.Curve) error {
	if len(curves[0].Evaluations) > 0 {
		g.printf("\n")
		finetune.WriteTable(g.Stdout, curves)
		svg := filepath.Join(output, "curves.svg")
		if err := finetune.WriteSVG(svg, runs[0].Config.Task.Name, curves); err != nil {
			return err
		}
		g.printf("plot written to %s\n", svg)
	}
	first := runs[0].Config
	dir := last.OutputDir
	if len(runs) > 1 {
		dir = filepath.Join(output, curves[0].Name)
	}
	g.printf("\nsaved in %s; next:\n", dir)
	suggest(g, first, dir, last.Task)
	return nil
}
