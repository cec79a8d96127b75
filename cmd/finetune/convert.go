package main

import (
	"strings"

	"github.com/spagotune/spagotune/convert"
)

// convertCmd is the verb convert.
type convertCmd struct {
	Model    string   `required:"" hub:"model" placeholder:"NAME" help:"Folder of the model, or its name on the Hub (org/name[@revision])."`
	Output   string   `required:"" placeholder:"DIR" help:"Folder to write. It must not exist, or be empty."`
	To       string   `required:"" enum:"cybertron,huggingface" placeholder:"FORMAT" help:"cybertron (spago_model.bin) or huggingface (model.safetensors)."`
	Numerics string   `enum:"cybertron,huggingface" default:"cybertron" placeholder:"NAME" help:"Epsilon of the norms with --to cybertron: Cybertron's own, 1e-5 (cybertron), or config.json's (huggingface). Default ${default}."`
	Drop     []string `placeholder:"NAME" help:"Drop tensors with this name or prefix if the other format has no place for them; may be repeated."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// Help returns examples for --help.
func (c *convertCmd) Help() string {
	return `Examples:
  finetune convert --model ./bert --output ./served/bert --to cybertron
  finetune convert --model ./bert-base-uncased --output ./served/mlm --to cybertron --drop cls.seq_relationship
  finetune convert --model ./served/bert --output ./bert-back --to huggingface`
}

// Run converts and prints a report.
func (c *convertCmd) Run(g *globals) error {
	r, err := convert.Convert(g.Ctx, convert.Options{Model: c.Model, Output: c.Output, To: c.To, Numerics: c.Numerics, Drop: c.Drop})
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	g.printf("converted to %s for %s: %s, %d parameters, read back to the same bits\n", r.Output, r.To, r.Head, r.Parameters)
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
