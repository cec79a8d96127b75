package main

import (
	"fmt"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/convert"
)

// mergeCmd is the verb merge.
type mergeCmd struct {
	Model   string `hub:"model" placeholder:"NAME" help:"Hugging Face folder or GGUF file of the base, its name on the Hub (org/name[@revision]), or \"embedded\". Without it, the base that the adapter names."`
	Adapter string `hub:"adapter" placeholder:"NAME" help:"Folder of the adapter, or its name on the Hub. Without one, the model is only written in another type."`
	Output  string `required:"" placeholder:"DIR" help:"Folder to write. It must not exist, or be empty."`
	DType   string `name:"dtype" enum:"F32,BF16,F16,stored" default:"F32" placeholder:"TYPE" help:"Type of the written weights: F32 (exact), BF16, F16, or stored (that of each weight in the base). Default ${default}."`
	JSON    bool   `name:"json" help:"Print JSON."`
	threadsFlag
}

// Validate says that the model is missing.
func (c *mergeCmd) Validate() error { return needsModel(c.Model, c.Adapter) }

// Help returns notes and examples for --help.
func (mergeCmd) Help() string {
	return `The result is a Hugging Face folder that needs no adapter. It is read back and compared with the base and its adapter
before it appears, so it is either complete or not there.

Examples:
  finetune merge --model smollm2 --adapter run --output merged
  finetune merge --model smollm2 --adapter run --output merged --dtype BF16`
}

// Run merges and prints how much the merged model differs from the unmerged one.
func (c *mergeCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	if c.Model == "" {
		var err error
		if c.Model, err = g.Names.base(c.Adapter); err != nil {
			return err
		}
	}
	dtype := checkpoint.DType(c.DType)
	if c.DType == "stored" {
		dtype = ""
	}
	r, err := convert.Merge(g.Ctx, c.Model, c.Adapter, c.Output, dtype)
	if err != nil {
		return err
	}
	g.warn(r.Notes)
	if c.JSON {
		return g.print(r)
	}
	same := "all the same"
	if r.SameGreedy < r.Tokens {
		same = fmt.Sprintf("%d the same", r.SameGreedy)
	}
	g.printf("merged to %s: %s of weights in %s\n", r.Output, size(r.Bytes), c.DType)
	g.printf("largest change of a logit: %.3g (the largest logit is %.3g)\n", r.Largest, r.Scale)
	g.printf("most likely output at %d positions: %s\n", r.Tokens, same)
	return nil
}

// size formats a number of bytes.
func size(bytes int) string {
	v, unit := float64(bytes), 0
	for ; v >= 1024 && unit < 4; unit++ {
		v /= 1024
	}
	return fmt.Sprintf("%.4g %s", v, [...]string{"bytes", "KiB", "MiB", "GiB", "TiB"}[unit])
}
