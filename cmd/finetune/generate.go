package main

import (
	"strings"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// generateCmd is the verb generate.
type generateCmd struct {
	Model        string  `required:"" hub:"model" placeholder:"NAME" help:"Hugging Face folder, name on the Hub (org/name[@revision]), or \"embedded\"."`
	Adapter      string  `hub:"adapter" placeholder:"NAME" help:"Folder of an adapter, or its name on the Hub."`
	Prompt       string  `required:"" placeholder:"TEXT" help:"Text to continue."`
	Chat         bool    `help:"Render the prompt as the user's message, with the model's chat template."`
	System       string  `placeholder:"TEXT" help:"With --chat: the system message."`
	MaxNewTokens int     `default:"256" placeholder:"N" help:"Maximum number of tokens to generate. 0 means up to the model's length. Default ${default}."`
	Temperature  float64 `default:"0" placeholder:"T" help:"0 always takes the most likely token; a higher temperature samples. Default ${default}."`
	TopK         int     `default:"0" placeholder:"K" help:"Sample from the K most likely tokens. 0 means all."`
	TopP         float64 `default:"0" placeholder:"P" help:"Sample from the most likely tokens whose probabilities add up to P. 0 means all."`
	Seed         uint64  `default:"0" placeholder:"N" help:"Seed for sampling."`
	JSON         bool    `name:"json" help:"Print JSON at the end, instead of the text as it is generated."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (generateCmd) Help() string {
	return `Generation ends at a stop token of the model's generation_config.json, or after --max-new-tokens tokens.

Examples:
  finetune generate --model smollm2 --prompt "The capital of France is"
  finetune generate --model smollm2 --chat --prompt "What is the capital of France?"
  finetune generate --model smollm2 --adapter run --chat --prompt "Tell a story." --temperature 0.7 --top-p 0.9 --seed 1
  finetune generate --model embedded --prompt "Once" --max-new-tokens 20 --json`
}

// Run generates and prints the text.
func (c *generateCmd) Run(g *globals) error {
	s, err := c.open(g, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	prompt, err := s.EncodePrompt(c.Prompt, infer.PromptOptions{Chat: c.Chat, System: c.System})
	if err != nil {
		return err
	}
	config := model.GenerationConfig{MaxNewTokens: c.MaxNewTokens, Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, Seed: c.Seed}
	if c.JSON {
		completion, err := s.Complete(g.Ctx, prompt, config, nil)
		if err != nil {
			return err
		}
		return g.print(completion)
	}
	last := "\n" // the last piece that was printed
	_, err = s.Complete(g.Ctx, prompt, config, func(piece string) {
		g.printf("%s", piece)
		last = piece
	})
	if !strings.HasSuffix(last, "\n") {
		g.printf("\n")
	}
	return err
}
