package main

import (
	"fmt"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/convert"
)

// mergeCmd folds an adapter into its model.
type mergeCmd struct {
	Model   string `required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or \"embedded\"."`
	Adapter string `placeholder:"DIR" help:"Adapter's folder; without one, the model is written again in another type."`
	Output  string `required:"" placeholder:"DIR" help:"Folder to write; it must not exist, or be empty."`
	DType   string `name:"dtype" enum:"F32,BF16,F16,stored" default:"F32" help:"Type of the weights: F32 (exact), BF16, F16, or stored, as each was read. Default ${default}."`
	JSON    bool   `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help is shown by --help.
func (mergeCmd) Help() string {
	return `The output is a Hugging Face folder that needs no adapter. It is read back and compared with the base and its adapter
before it gets its name, so it is whole or not there.

Examples:
  finetune merge --model smollm2 --adapter run --output merged
  finetune merge --model smollm2 --adapter run --output merged --dtype BF16`
}

// Run merges and prints how far the merged model is from the unmerged one.
func (c *mergeCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	dtype := checkpoint.DType(c.DType)
	if c.DType == "stored" {
		dtype = ""
	}
	r, err := convert.Merge(g.Ctx, c.Model, c.Adapter, c.Output, dtype)
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	same := "all the same"
	if r.SameGreedy < r.Tokens {
		same = fmt.Sprintf("%d the same", r.SameGreedy)
	}
	g.printf("merged into %s: %s of weights in %s\n", r.Output, size(r.Bytes), c.DType)
	g.printf("largest change of a logit: %.3g (the largest logit is %.3g)\n", r.Largest, r.Scale)
	g.printf("most likely output at %d positions: %s\n", r.Tokens, same)
	return nil
}

// size is a number of bytes as people read it.
func size(bytes int) string {
	v, unit := float64(bytes), 0
	for ; v >= 1024 && unit < 4; unit++ {
		v /= 1024
	}
	return fmt.Sprintf("%.4g %s", v, [...]string{"bytes", "KiB", "MiB", "GiB", "TiB"}[unit])
}
