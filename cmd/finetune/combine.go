package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/convert"
)

// combineCmd is the verb combine.
type combineCmd struct {
	Adapters []string `arg:"" placeholder:"DIR[=WEIGHT]" help:"Folders of the adapters, each with its weight, 1 by default."`
	Model    string   `required:"" hub:"model" placeholder:"NAME" help:"Folder of their base, a GGUF file, \"embedded\", or the model's name on the Hub."`
	Output   string   `required:"" placeholder:"DIR" help:"Folder to write. It must not exist, or be empty."`
	How      string   `default:"cat" placeholder:"NAME" help:"linear, cat, svd, ties or dare; the last two want --density. Default ${default}."`
	Rank     *int     `placeholder:"R" help:"With svd: the rank. Default: the largest of the adapters."`
	Density  float64  `placeholder:"D" help:"With ties and dare, which need it: the share of values that is kept, above 0 and at most 1, such as 0.5."`
	Seed     uint64   `placeholder:"N" help:"With dare: decides which values are kept."`
	JSON     bool     `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (combineCmd) Help() string {
	return `Makes one adapter of several on the same base, as PEFT's add_weighted_adapter does:
  linear  sums of the trained matrices: exact for MoRAs of one type; for LoRA, A and B are summed apart
  cat     LoRA's matrices one beside the other: exact, its rank is the sum
  svd     the leading singular values of the sum of updates
  ties    linear on the largest values, those of the majority's sign; needs --density
  dare    linear on values drawn at random; needs --density
cat and svd take adapters of any method, and of several. The largest error against the sum of updates is printed.

Examples:
  finetune combine --model smollm2 maths=0.7 chat=0.3 --output both
  finetune combine --model smollm2 mora-a mora-b --how linear --output sum
  finetune combine --model smollm2 a b c=-0.5 --how svd --rank 16 --output less
  finetune combine --model smollm2 a b --how ties --density 0.5 --output both`
}

// Run combines and prints a report.
func (c *combineCmd) Run(g *globals) error {
	if err := checkRank(c.Rank); err != nil {
		return err
	}
	if err := c.apply(); err != nil {
		return err
	}
	o := convert.CombineOptions{Model: c.Model, Output: c.Output, CombineOptions: adapter.CombineOptions{How: c.How, Rank: valueOf(c.Rank), Density: c.Density, Seed: c.Seed}}
	for _, a := range c.Adapters {
		dir, weight, err := cutWeight(a)
		if err != nil {
			return err
		}
		if dir, err = g.Names.resolve("adapter", dir); err != nil {
			return err
		}
		o.Adapters = append(o.Adapters, convert.WeightedFolder{Dir: dir, Weight: weight})
	}
	r, err := convert.Combine(g.Ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	g.printf("combined %d adapters by %s: %s, a %s on %d layers\n", len(o.Adapters), c.How, r.Output, r.Method, r.Layers)
	if r.Error > 1e-6 {
		g.printf("largest difference from the sum of updates: %.3g of it, %s\n", r.Error, r.Worst)
	} else {
		g.printf("every layer's update is the sum of updates\n")
	}
	g.notes(r.Notes)
	return nil
}

// cutWeight cuts DIR=WEIGHT. A folder whose name is all of it goes before.
func cutWeight(arg string) (dir string, weight float64, err error) {
	i := strings.LastIndexByte(arg, '=')
	if _, err := os.Stat(arg); i < 0 || err == nil {
		return arg, 1, nil
	}
	if weight, err = strconv.ParseFloat(arg[i+1:], 64); err != nil {
		return "", 0, fmt.Errorf("%s: %q is not a weight; want DIR=NUMBER", arg, arg[i+1:])
	}
	if err := adapter.CheckWeight(weight); err != nil {
		return "", 0, fmt.Errorf("%s: %w", arg, err)
	}
	return arg[:i], weight, nil
}
