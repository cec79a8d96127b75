package main

import (
	"errors"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/tasks"
)

// predictCmd asks a model about texts.
type predictCmd struct {
	Model   string   `required:"" placeholder:"DIR" help:"Hugging Face folder."`
	Adapter string   `placeholder:"DIR" help:"Adapter's folder."`
	Text    []string `sep:"none" placeholder:"TEXT" help:"A text, or a question; may be repeated."`
	Pair    []string `sep:"none" placeholder:"TEXT" help:"The second text that belongs to a --text, such as where to look for the answer; one for all, or one each."`
	File    string   `placeholder:"FILE" help:"JSON Lines with text and text_pair, or a text a line."`
	Task    string   `placeholder:"TASK" help:"The task; by default that of the training, or the one for the model's head."`
	Set     []string `sep:"none" placeholder:"KEY=VALUE" help:"Set an option of the task; may be repeated."`
	JSON    bool     `name:"json" help:"Print JSON Lines."`
	threadsFlag
}

// Help is shown by --help.
func (predictCmd) Help() string {
	return `What is printed depends on the model's head: classes with their probabilities, names in a text, answers to a question,
translations, likely words for masks, or a vector.

Examples:
  finetune predict --model bert --adapter run --text "A fine film." --text "A waste of time."
  finetune predict --model bert-ner --text "Ann lives in Ulm." --json
  finetune predict --model bert-qa --text "Where does Ann live?" --pair "Ann lives in Ulm."
  finetune predict --model minilm --file texts.jsonl --json`
}

// questions are what the flags ask.
func (c *predictCmd) questions() ([]finetune.Input, error) {
	var all []finetune.Input
	if c.File != "" {
		var err error
		if all, err = finetune.ReadInputs(c.File); err != nil {
			return nil, err
		}
	}
	if n := len(c.Pair); n > 1 && n != len(c.Text) {
		return nil, errors.New("--pair: want one for all, or one for each --text")
	}
	for i, text := range c.Text {
		q := finetune.Input{Text: text}
		switch len(c.Pair) {
		case 0:
		case 1:
			q.Pair = c.Pair[0]
		default:
			q.Pair = c.Pair[i]
		}
		all = append(all, q)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no text; name one with --text, or a file of them with --file")
	}
	return all, nil
}

// Run prints an answer to each question.
func (c *predictCmd) Run(g *globals) error {
	questions, err := c.questions()
	if err != nil {
		return err
	}
	l, err := c.open(g.Ctx, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	answers, err := l.Predict(g.Ctx, c.Task, c.Set, questions)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if c.JSON {
			err = g.print(struct {
				finetune.Input
				tasks.Prediction
			}{questions[i], a})
			if err != nil {
				return err
			}
			continue
		}
		if len(answers) > 1 {
			g.printf("%s\n", questions[i].Text)
		}
		g.printf("%s\n", a.Report())
	}
	return nil
}
