package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
)

// doctorCmd is the verb doctor.
type doctorCmd struct {
	runFlags
	JSON bool `name:"json" help:"Print a line of JSON for each check."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (doctorCmd) Help() string {
	return `It takes what train takes, makes every check that train makes before its first step, and goes on after one that fails. Nothing is
trained or written. The exit code is 1 if train would refuse the run.

Examples:
  finetune doctor recipe.yaml
  finetune doctor recipe.yaml --resume
  finetune doctor --model smollm2 --task math --data gsm8k/train.jsonl --output run`
}

// Run prints what the checks find, run by run.
func (c *doctorCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	runs, err := c.parse()
	if err != nil { // without keys there is nothing else to check
		return cmp.Or(c.print(g, finetune.Recipe{}, []finetune.Finding{finetune.NewFinding("recipe", err)}), err)
	}
	before, failed, made := c.before(g, runs), 0, 0
	for i, r := range runs {
		findings := finetune.Doctor(g.Ctx, inFolder(r), finetune.Options{Resume: c.Resume, Overwrite: c.Overwrite, Version: version})
		if i == 0 {
			findings = append(before, findings...)
		}
		if err := c.print(g, r, findings); err != nil {
			return err
		}
		made += len(findings)
		for _, f := range findings {
			if f.Status == finetune.StatusError {
				failed++
			}
		}
	}
	if err := g.Ctx.Err(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("doctor: %d of %d checks failed: train would refuse the run", failed, made)
	}
	return nil
}

// before makes the checks of train that come before those of a run: a search, names of the Hub, and the model that an adapter names.
func (c *doctorCmd) before(g *globals, runs []finetune.Recipe) (findings []finetune.Finding) {
	add := func(check string, err error) {
		if err != nil {
			findings = append(findings, finetune.NewFinding(check, err))
		}
	}
	add("recipe", refuseSearch(c.Recipe, runs))
	err := g.Names.recipes(runs)
	add("hub", err)
	if err == nil && len(g.Names.typed) > 0 {
		names := slices.Sorted(maps.Values(g.Names.typed))
		findings = append(findings, finetune.Finding{Check: "hub", Status: finetune.StatusOK, Result: "found " + strings.Join(names, ", ")})
	}
	add("adapter", g.Names.namedByAdapters(runs))
	return findings
}

// print prints the findings of a run.
func (c *doctorCmd) print(g *globals, r finetune.Recipe, findings []finetune.Finding) error {
	if !c.JSON {
		if r.Name != "" {
			g.printf("\n== %s: %s\n", r.Name, r.Config.Method.Name)
		}
		return finetune.WriteFindings(g.Stdout, findings)
	}
	for _, f := range findings {
		if err := g.print(struct {
			Run string `json:"run,omitempty"`
			finetune.Finding
		}{r.Name, f}); err != nil {
			return err
		}
	}
	return nil
}
