package main

import (
	"errors"
	"strings"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// generateCmd is the verb generate.
type generateCmd struct {
	Model             string   `hub:"model" placeholder:"NAME" help:"Hugging Face folder, GGUF file, name on the Hub (org/name[@revision]), or \"embedded\". Without it, the base that the adapter names."`
	Adapter           string   `hub:"adapter" placeholder:"NAME" help:"Folder of an adapter, or its name on the Hub."`
	Prompt            string   `placeholder:"TEXT" help:"Text to continue."`
	File              string   `placeholder:"FILE" help:"File of prompts, or - for standard input: JSON Lines, a .csv or another form of data with prompt (or text), or one prompt per line."`
	Answers           string   `placeholder:"FILE" help:"With --file: write the texts as JSON Lines. An interrupted run resumes from this file."`
	Chat              bool     `help:"Render the prompt as the user's message, with the model's chat template."`
	System            string   `placeholder:"TEXT" help:"With --chat: the system message."`
	MaxNewTokens      int      `default:"256" placeholder:"N" help:"Maximum number of tokens to generate. 0 means up to the model's length. Default ${default}."`
	Stop              []string `sep:"none" placeholder:"TEXT" help:"End before this text; may be repeated."`
	Temperature       float64  `default:"0" placeholder:"T" help:"0 always takes the most likely token; a higher temperature samples. Default ${default}."`
	TopK              int      `default:"0" placeholder:"K" help:"Sample from the K most likely tokens. 0 means all."`
	TopP              float64  `default:"0" placeholder:"P" help:"Sample from the most likely tokens whose probabilities add up to P. 0 means all."`
	RepetitionPenalty float64  `default:"0" placeholder:"P" help:"Make tokens that are there already less likely: above 1. 0 and 1 mean none."`
	NumBeams          int      `default:"0" placeholder:"N" help:"Search with N beams. 0 means none, or for a sequence-to-sequence model what its folder says."`
	LengthPenalty     float64  `default:"1" placeholder:"P" help:"With --num-beams: divide a text's log-probability by its length to the power of P. Default ${default}."`
	Seed              uint64   `default:"0" placeholder:"N" help:"Seed for sampling."`
	JSON              bool     `name:"json" help:"Print JSON at the end, instead of the text as it is generated."`
	threadsFlag
}

// Help returns notes and examples for --help.
func (generateCmd) Help() string {
	return `Generation ends at a stop token of the model's generation_config.json, before a --stop text, or after --max-new-tokens tokens.
Prompts of a file run side by side. With --json or --answers each text is a line with the keys prompt, text, tokens and finish_reason.

Examples:
  finetune generate --model smollm2 --prompt "The capital of France is"
  finetune generate --model smollm2 --chat --prompt "What is the capital of France?"
  finetune generate --model smollm2 --adapter run --chat --prompt "Tell a story." --temperature 0.7 --top-p 0.9 --seed 1
  finetune generate --model smollm2 --file prompts.jsonl --answers texts.jsonl --stop "Question:"
  finetune generate --model embedded --prompt "Once" --max-new-tokens 20 --json`
}

// Validate says which flag is missing, or one too many.
func (c *generateCmd) Validate() error {
	switch {
	case needsModel(c.Model, c.Adapter) != nil:
		return needsModel(c.Model, c.Adapter)
	case c.Prompt == "" && c.File == "":
		return errors.New("missing flags: --prompt=TEXT, or --file=FILE")
	case c.Prompt != "" && c.File != "":
		return errors.New("--prompt and --file exclude each other")
	case c.Answers != "" && c.File == "":
		return errors.New("--answers needs --file")
	}
	return nil
}

// config is the flags as settings.
func (c *generateCmd) config() model.GenerationConfig {
	g := model.GenerationConfig{MaxNewTokens: c.MaxNewTokens, Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, Seed: c.Seed,
		RepetitionPenalty: c.RepetitionPenalty, NumBeams: c.NumBeams}
	if c.NumBeams > 0 {
		g.LengthPenalty = c.LengthPenalty
	}
	return g
}

// Run generates and prints the text, or the texts of a file of prompts. Of several ranks, one is enough for a single text.
func (c *generateCmd) Run(g *globals) error {
	return g.onRanks(c.Answers, c.threadsFlag, func() error { return c.run(g) })
}

func (c *generateCmd) run(g *globals) error {
	s, err := c.open(g, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if c.File != "" {
		return c.file(g, s)
	}
	if !g.leads() {
		return nil
	}
	prompt, err := s.EncodePrompt(c.Prompt, infer.PromptOptions{Chat: c.Chat, System: c.System})
	if err != nil {
		return err
	}
	if c.JSON {
		completion, err := s.CompleteUntil(g.Ctx, prompt, c.config(), c.Stop, nil)
		if err != nil {
			return err
		}
		return g.print(completion)
	}
	last := "\n" // the last piece that was printed
	_, err = s.CompleteUntil(g.Ctx, prompt, c.config(), c.Stop, func(piece string) {
		g.printf("%s", piece)
		last = piece
	})
	if !strings.HasSuffix(last, "\n") {
		g.printf("\n")
	}
	return err
}
