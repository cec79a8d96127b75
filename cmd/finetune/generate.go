package main

import (
	"strings"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// generateCmd continues a text.
type generateCmd struct {
	Model        string  `required:"" placeholder:"DIR" help:"Hugging Face folder, or \"embedded\"."`
	Adapter      string  `placeholder:"DIR" help:"Adapter's folder."`
	Prompt       string  `required:"" placeholder:"TEXT" help:"What to continue."`
	Chat         bool    `help:"Put the prompt into the model's chat template, as the user's message."`
	System       string  `placeholder:"TEXT" help:"With --chat, the system's message."`
	MaxNewTokens int     `default:"256" placeholder:"N" help:"Most tokens to make; 0 is up to the model's length. Default ${default}."`
	Temperature  float64 `default:"0" help:"0 takes the most likely token; more samples."`
	TopK         int     `default:"0" placeholder:"K" help:"Sample among the K most likely tokens; 0 is all."`
	TopP         float64 `default:"0" placeholder:"P" help:"Sample among the most likely tokens that reach probability P; 0 is all."`
	Seed         uint64  `default:"0" placeholder:"N" help:"Seed of the samples."`
	JSON         bool    `name:"json" help:"Print JSON when all is done, in place of the text as it comes."`
	threadsFlag
}

// Help is shown by --help.
func (generateCmd) Help() string {
	return `The text ends at a stop token of the model's generation_config.json, or after --max-new-tokens.

Examples:
  finetune generate --model smollm2 --prompt "The capital of France is"
  finetune generate --model smollm2 --chat --prompt "What is the capital of France?"
  finetune generate --model smollm2 --adapter run --chat --prompt "Tell a story." --temperature 0.7 --top-p 0.9 --seed 1
  finetune generate --model embedded --prompt "Once" --max-new-tokens 20 --json`
}

// Run prints the text.
func (c *generateCmd) Run(g *globals) error {
	l, err := c.open(g.Ctx, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	prompt, err := l.EncodePrompt(c.Prompt, infer.PromptOptions{Chat: c.Chat, System: c.System})
	if err != nil {
		return err
	}
	s := model.GenerationConfig{MaxNewTokens: c.MaxNewTokens, Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, Seed: c.Seed}
	if c.JSON {
		text, err := l.Complete(g.Ctx, prompt, s, nil)
		if err != nil {
			return err
		}
		return g.print(text)
	}
	line := "\n" // what was printed last
	_, err = l.Complete(g.Ctx, prompt, s, func(piece string) {
		g.printf("%s", piece)
		line = piece
	})
	if !strings.HasSuffix(line, "\n") {
		g.printf("\n")
	}
	return err
}
