package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/convert"
)

// convertCmd is the verb convert.
type convertCmd struct {
	Model    string   `required:"" hub:"model" placeholder:"NAME" help:"Folder of the model, a GGUF file, \"embedded\", or the model's name on the Hub (org/name[@revision])."`
	Adapter  string   `hub:"any" placeholder:"NAME" help:"Folder of an adapter, or its name on the Hub: merged with --to gguf, converted with --to lora and lora-gguf. These two also take a model that was trained from the base, such as one of restarts."`
	Output   string   `required:"" placeholder:"PATH" help:"Folder to write, or with --to gguf and lora-gguf the file, NAME.gguf. It must not exist, nor the NAME.Modelfile beside it; a folder may be empty."`
	To       string   `required:"" enum:"cybertron,huggingface,gguf,lora-gguf,lora" placeholder:"FORMAT" help:"cybertron (spago_model.bin), huggingface (model.safetensors), gguf (for llama.cpp, ollama), lora-gguf (an adapter for them) or lora (any adapter as PEFT's plain LoRA)."`
	Type     string   `placeholder:"TYPE" help:"With --to gguf: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K_S, Q4_K_M (or Q4_K), Q5_K_S, Q5_K_M (or Q5_K) or Q6_K. Default: that of each weight."`
	Rank     *int     `placeholder:"R" help:"With --to lora and lora-gguf: rank of every layer, at most. Default: as exact as the method allows."`
	Error    *float64 `placeholder:"E" help:"With --to lora and lora-gguf: largest error of a layer's update, above 0, such as 0.01; the least rank is chosen."`
	Data     string   `placeholder:"FILE" help:"Text on which the change of the loss is measured. Default: a text in the program."`
	Numerics string   `enum:"cybertron,huggingface," default:"" placeholder:"NAME" help:"With --to cybertron: the epsilon of the norms is Cybertron's own, 1e-5 (cybertron), or config.json's (huggingface). Default cybertron."`
	Drop     []string `placeholder:"NAME" help:"With --to cybertron: drop tensors with this name or prefix if the format has no place for them; may be repeated."`
	JSON     bool     `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help returns examples for --help.
func (c *convertCmd) Help() string {
	return `Examples:
  finetune convert --model smollm2 --adapter run --output smollm2.gguf --to gguf --type Q4_K_M
  finetune convert --model smollm2.gguf --adapter run --output run.gguf --to lora-gguf
  finetune convert --model smollm2 --adapter run --output run-lora --to lora --error 0.01
  finetune convert --model ./bert --output ./served/bert --to cybertron
  finetune convert --model ./bert-base-uncased --output ./served/mlm --to cybertron --drop cls.seq_relationship
  finetune convert --model ./served/bert --output ./bert-back --to huggingface`
}

// Run converts and prints a report.
func (c *convertCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	lora := convert.LoRAOptions{Model: c.Model, Adapter: c.Adapter, Output: c.Output, Data: c.Data,
		LowRankOptions: adapter.LowRankOptions{Rank: valueOf(c.Rank), Error: valueOf(c.Error)}}
	switch c.To {
	case "gguf":
		r, err := convert.GGUF(g.Ctx, convert.GGUFOptions{Model: c.Model, Adapter: c.Adapter, Type: c.Type, Output: c.Output, Data: c.Data})
		if err != nil {
			return err
		}
		return c.print(g, r, func() { c.gguf(g, r) })
	case "lora-gguf":
		r, err := convert.LoRAGGUF(g.Ctx, lora)
		if err != nil {
			return err
		}
		return c.print(g, r, func() { c.lora(g, r) })
	case "lora":
		r, err := convert.LoRA(g.Ctx, lora)
		if err != nil {
			return err
		}
		return c.print(g, r, func() { c.lora(g, r) })
	}
	r, err := convert.Convert(g.Ctx, convert.Options{Model: c.Model, Output: c.Output, To: c.To, Numerics: c.Numerics, Drop: c.Drop})
	if err != nil {
		return err
	}
	return c.print(g, r, func() { c.folder(g, r) })
}

// check refuses flags that the format does not have.
func (c *convertCmd) check() error {
	lora := c.To == "lora" || c.To == "lora-gguf"
	switch {
	case c.Type != "" && c.To != "gguf":
		return errors.New("--type is for --to gguf")
	case (c.Rank != nil || c.Error != nil) && !lora:
		return errors.New("--rank and --error are for --to lora and lora-gguf")
	case c.Error != nil && !(*c.Error > 0 && *c.Error < 1):
		return fmt.Errorf("--error is %g; want a number above 0 and below 1", *c.Error)
	case lora && c.Adapter == "":
		return errors.New("--to " + c.To + " wants --adapter NAME, the adapter to convert")
	case c.Adapter != "" && c.To != "gguf" && !lora:
		return errors.New("--adapter is for --to gguf, lora-gguf and lora; finetune merge writes a Hugging Face folder")
	case c.Data != "" && c.To != "gguf" && !lora:
		return errors.New("--data is for --to gguf, lora-gguf and lora")
	case (c.Numerics != "" || len(c.Drop) > 0) && c.To != "cybertron":
		return errors.New("--numerics and --drop are for --to cybertron")
	}
	return checkRank(c.Rank)
}

// checkRank refuses a rank of 0, which options take for none.
func checkRank(rank *int) error {
	if rank != nil && *rank < 1 {
		return fmt.Errorf("--rank is %d; want 1 or more", *rank)
	}
	return nil
}

// valueOf is what a flag says, or 0 without it.
func valueOf[T any](flag *T) T {
	var v T
	if flag != nil {
		v = *flag
	}
	return v
}

// print prints a report as JSON or by text.
func (c *convertCmd) print(g *globals, r any, text func()) error {
	if c.JSON {
		return g.print(r)
	}
	text()
	return nil
}

// folder prints the report of a folder.
func (c *convertCmd) folder(g *globals, r *convert.Report) {
	g.printf("converted to %s for %s: %s, %d parameters, read back to the same bits\n", r.Output, r.To, r.Head, r.Parameters)
	for _, list := range []struct {
		what  string
		items []string
	}{{"dropped", r.Dropped}, {"not copied", r.NotCopied}} {
		if len(list.items) > 0 {
			g.printf("%s: %s\n", list.what, strings.Join(list.items, ", "))
		}
	}
	g.notes(r.Notes)
}

// gguf prints the report of a GGUF file.
func (c *convertCmd) gguf(g *globals, r *convert.GGUFReport) {
	g.printf("converted to %s: %s, %s\n", r.Output, r.Type, size(r.Bytes))
	if r.Fallbacks != "" {
		g.printf("%s\n", r.Fallbacks)
	}
	c.modelfile(g, r.Modelfile)
	c.effect(g, r.Effect)
	if len(r.Lost) > 0 {
		g.printf("lost: %s\n", strings.Join(r.Lost, ", "))
	}
}

// lora prints the report of a plain LoRA.
func (c *convertCmd) lora(g *globals, r *convert.LoRAReport) {
	g.printf("converted %s to LoRA: %s\n", r.Method, r.Output)
	for _, l := range r.Layers {
		g.printf("  %-12s %3d layers, rank %d (the method's ΔW has at most %d), error %.3g\n", l.Name, l.Count, l.Rank, l.Bound, l.Error)
	}
	if r.Exact {
		g.printf("every layer's update is exact\n")
	} else {
		g.printf("largest error of an update: %.3g, %s; merging the adapter is exact\n", r.Error, r.Worst)
	}
	c.modelfile(g, r.Modelfile)
	c.effect(g, r.Effect)
}

func (c *convertCmd) modelfile(g *globals, f convert.Modelfile) {
	if f.Path == "" {
		return
	}
	g.printf("for ollama: %s\n", f.Path)
	if f.Note != "" {
		g.printf("note: for ollama, %s\n", f.Note)
	}
}

// effect prints what a conversion changes.
func (c *convertCmd) effect(g *globals, e convert.Effect) {
	g.printf("largest change of a logit: %.3g (the largest logit is %.3g); most likely output at %d positions: %d the same\n",
		e.Largest, e.Scale, e.Tokens, e.SameGreedy)
	if e.TextTokens > 0 {
		g.printf("loss on %d tokens: %.4f before, %.4f after; perplexity %.3f, %.3f\n",
			e.TextTokens, e.LossBefore, e.LossAfter, math.Exp(e.LossBefore), math.Exp(e.LossAfter))
	}
	g.notes(e.Notes)
}
