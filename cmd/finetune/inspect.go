package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/internal/wording"
)

// inspectCmd is the verb inspect.
type inspectCmd struct {
	Dir   string `arg:"" hub:"any" help:"Folder of a model (or \"embedded\") or of an adapter, or its name on the Hub (org/name[@revision])."`
	Model string `hub:"model" placeholder:"NAME" help:"For an adapter: folder or name of its model, if not the one that adapter_config.json names."`
	JSON  bool   `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (inspectCmd) Help() string {
	return `For an adapter it also counts the singular values of ΔW above 0.1 in each layer, as the MoRA paper does.

Examples:
  finetune inspect smollm2
  finetune inspect run --model smollm2
  finetune inspect run --json`
}

// Run prints a description of the folder.
func (c *inspectCmd) Run(g *globals) error {
	signal.Reset() // there is nothing to clean up: Ctrl-C ends it at once
	if err := c.apply(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "adapter_config.json")); err == nil && c.Model == "" {
		if c.Model, err = g.Names.base(c.Dir); err != nil {
			return err
		}
	}
	i, err := inspect.Folder(g.Ctx, c.Dir, c.Model)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return g.print(i)
	case i.Adapter != nil:
		printAdapter(g, i.Adapter)
	default:
		g.warn(i.Model.Notes)
		printModel(g, i.Model)
	}
	return nil
}

// printModel prints a model's sizes and a table of its tensors.
func printModel(g *globals, m *inspect.ModelInfo) {
	g.printf("%s: %d layers, hidden size %d, vocabulary %d, length %d\n", m.ModelType, m.Layers, m.Hidden, m.Vocab, m.Positions)
	g.printf("%s parameters, %s of weights\n\n", wording.Number(m.Parameters), size(m.Bytes))
	g.printf("%-50s %5s  %-14s %-5s %14s\n", "tensor", "count", "shape", "type", "parameters")
	for _, t := range m.Tensors {
		g.printf("%-50s %5d  %-14s %-5s %14s\n", t.Name, t.Count, shape(t.Shape), t.DType, wording.Number(t.Parameters))
	}
}

// printAdapter prints an adapter's sizes and a table of its layers.
func printAdapter(g *globals, a *inspect.AdapterInfo) {
	g.printf("%s on %s\n", a.Method, g.Names.asTyped(a.BaseModel))
	g.printf("%s parameters (%.4f %% of the whole), %s; in training %s\n\n", wording.Number(a.Parameters), 100*a.Share, size(a.Bytes), size(a.TrainingBytes))
	g.printf("%-12s %-12s %6s %6s %14s   singular values of ΔW, on average\n", "layer", "out×in", "r, r̂  ", "count", "parameters")
	for _, l := range a.Layers {
		rank := "–"
		if r := max(l.R, l.RHat); r > 0 {
			rank = strconv.Itoa(r)
		}
		g.printf("%-12s %-12s %6s %6d %14s   %.1f above %g, the largest %.3g\n", l.Name, shape([]int{l.Out, l.In}), rank, l.Count,
			wording.Number(l.Parameters), l.SingularValues, inspect.SingularValueThreshold, l.LargestSingularValue)
	}
}

// shape formats a shape as 576×1536.
func shape(s []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(s), "[]"), " ", "×")
}
