package main

import (
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/tokenizer"
)

// tokenizerCmd is the verb tokenizer.
type tokenizerCmd struct {
	Data         []string `required:"" hub:"data" placeholder:"PATH" help:"Plain text, records (.jsonl, .json, .csv …), or org/name[:config/split] on the Hub; may be repeated."`
	Field        []string `placeholder:"NAME" help:"Field of a record that holds its text; may be repeated. Default text."`
	Output       string   `required:"" placeholder:"DIR" help:"Folder to write. It must not exist, or be empty."`
	VocabSize    int      `default:"8192" placeholder:"N" help:"Size of the vocabulary: special tokens, the 256 bytes and merges. Default ${default}."`
	MinFrequency int      `default:"2" placeholder:"N" help:"Merge only pairs that occur at least N times. Default ${default}."`
	Special      []string `default:"<|endoftext|>" placeholder:"TOKEN" help:"Special tokens, which get the first ids. The first one ends a text. Default ${default}."`
	JSON         bool     `name:"json" help:"Print JSON."`
}

// Help returns notes and examples for --help.
func (c *tokenizerCmd) Help() string {
	return `Trains byte-level byte pair encoding, as GPT-2 uses it, and writes tokenizer.json and tokenizer_config.json, which transformers can
load too. To train a new model with the tokenizer, use the recipe keys model_config and tokenizer.

Examples:
  finetune tokenizer --data corpus.txt --vocab-size 8192 --output tok
  finetune tokenizer --data craft.jsonl --data medquad.jsonl --field answer --vocab-size 16384 --output tok`
}

// Run trains the tokenizer and prints its size.
func (c *tokenizerCmd) Run(g *globals) error {
	o := finetune.TokenizerOptions{Data: c.Data, Output: c.Output,
		TrainOptions: tokenizer.TrainOptions{VocabSize: c.VocabSize, MinFrequency: c.MinFrequency, SpecialTokens: c.Special}}
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
