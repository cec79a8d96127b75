package main

import (
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/tokenizer"
)

// tokenizerCmd trains a tokenizer.
type tokenizerCmd struct {
	Data      []string `required:"" placeholder:"PATH" help:"Plain text, or records (.jsonl, .json, .csv …); may be repeated."`
	Field     []string `placeholder:"NAME" help:"The records' fields that hold their text; \"text\" by default."`
	Output    string   `required:"" placeholder:"DIR" help:"The new folder; it must not exist or be empty."`
	VocabSize int      `default:"8192" placeholder:"N" help:"Tokens in all: special ones, the 256 bytes, merges."`
	Least     int      `default:"2" name:"min-frequency" placeholder:"N" help:"Merge only pairs that are there so often."`
	Special   []string `default:"<|endoftext|>" placeholder:"TOKEN" help:"Special tokens, which come first; the first of them ends a text."`
	JSON      bool     `help:"Print one JSON object."`
}

// Help has examples.
func (c *tokenizerCmd) Help() string {
	return `Learns byte-level byte pair encoding, as GPT-2 has it, and writes tokenizer.json and tokenizer_config.json, which transformers loads too.
Train a model of its own on it with the recipe keys model_config and tokenizer.

Examples:
  finetune tokenizer --data corpus.txt --vocab-size 8192 --output tok
  finetune tokenizer --data craft.jsonl --data medquad.jsonl --field answer --vocab-size 16384 --output tok`
}

// Run trains it.
func (c *tokenizerCmd) Run(g *globals) error {
	o := finetune.TokenizerOptions{Data: c.Data, Output: c.Output,
		TrainOptions: tokenizer.TrainOptions{VocabSize: c.VocabSize, MinFrequency: c.Least, SpecialTokens: c.Special}}
	if len(c.Field) > 0 {
		o.Field = c.Field
	}
	n, err := finetune.TrainTokenizer(g.Ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(map[string]any{"output": c.Output, "vocab_size": n})
	}
	g.printf("%d tokens in %s\n", n, c.Output)
	return nil
}
