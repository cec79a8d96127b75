package main

import (
	"strings"

	"github.com/spagotune/spagotune/convert"
)

// convertCmd turns a model's folder into that of another program.
type convertCmd struct {
	Model    string   `required:"" placeholder:"DIR" help:"The model's folder."`
	Output   string   `required:"" placeholder:"DIR" help:"The new folder; it must not exist or be empty."`
	To       string   `required:"" enum:"cybertron,huggingface" placeholder:"FORMAT" help:"cybertron (spago_model.bin) or huggingface (model.safetensors)."`
	Numerics string   `enum:"cybertron,huggingface" default:"cybertron" help:"For Cybertron: norms with Cybertron's own constant, 1e-5, or with config.json's (huggingface)."`
	Drop     []string `placeholder:"NAME" help:"Leave out tensors of this name, or whose names begin so, that the other format has no place for."`
	JSON     bool     `help:"Print one JSON object."`
}

// Help has examples.
func (c *convertCmd) Help() string {
	return `Examples:
  finetune convert --model ./bert --output ./served/bert --to cybertron
  finetune convert --model ./bert-base-uncased --output ./served/mlm --to cybertron --drop cls.seq_relationship
  finetune convert --model ./served/bert --output ./bert-back --to huggingface`
}

// Run converts and says what came of it.
func (c *convertCmd) Run(g *globals) error {
	r, err := convert.Convert(g.Ctx, convert.Options{Model: c.Model, Output: c.Output, To: c.To, Numerics: c.Numerics, Drop: c.Drop})
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	g.printf("converted into %s for %s: %s, %d parameters, read back to the same bits\n", r.Output, r.To, r.Head, r.Parameters)
	for _, list := range []struct {
		what  string
		items []string
	}{{"dropped", r.Dropped}, {"not copied", r.NotCopied}} {
		if len(list.items) > 0 {
			g.printf("%s: %s\n", list.what, strings.Join(list.items, ", "))
		}
	}
	for _, n := range r.Notes {
		g.printf("note: %s\n", n)
	}
	return nil
}
