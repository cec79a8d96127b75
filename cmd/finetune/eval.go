package main

import (
	"encoding/json"
	"io"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/tasks"
)

// evalCmd scores a model.
type evalCmd struct {
	Model   string   `required:"" placeholder:"DIR" help:"Hugging Face folder, or \"embedded\"."`
	Adapter string   `placeholder:"DIR" help:"Adapter's folder."`
	Task    string   `required:"" help:"Task: ${tasks}."`
	Data    string   `placeholder:"FILE" help:"The task's data; all of it is evaluated."`
	Limit   int      `placeholder:"N" help:"Take only the first N examples; 0 is all."`
	Set     []string `sep:"none" placeholder:"KEY=VALUE" help:"Set an option of the task; may be repeated."`
	Answers string   `placeholder:"FILE" help:"Keep the answers as JSON Lines: where, prompt, output, want, score, prediction."`
	JSON    bool     `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help is shown by --help.
func (evalCmd) Help() string {
	return `The loss is the mean over all that is scored. Answers are generated, or read off the model's head, and judged by the task.

Examples:
  finetune eval --model smollm2 --task math --data gsm8k/test.jsonl --limit 50 --answers answers.jsonl
  finetune eval --model smollm2 --adapter run --task math --set form=raw --data gsm8k/test.jsonl --json
  finetune eval --model bert --adapter run --task tokens --data test.conll --answers answers.jsonl
  finetune eval --model embedded --adapter run/mora --task memory --set pairs=100`
}

// Run evaluates and prints.
func (c *evalCmd) Run(g *globals) error {
	task, err := finetune.TaskOn(c.Task, tasks.Eval, c.Data, c.Set)
	if err != nil {
		return err
	}
	l, err := c.open(c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	tok, err := l.Tokenizer()
	if err != nil {
		return err
	}
	r, answers, err := l.Evaluate(g.Ctx, tok, task, max(c.Limit, 0))
	if err != nil {
		return err
	}
	if c.Answers != "" {
		if err := writeAnswers(c.Answers, answers); err != nil {
			return err
		}
	}
	if c.JSON {
		return g.print(r)
	}
	g.printf("loss   %.4f over %d scored tokens of %d rows\n", r.Loss, r.Scored, r.Rows)
	for _, name := range r.Names {
		g.printf("%s  %.4f\n", name, r.Metrics[name])
	}
	if r.Score != nil && len(r.Names) == 0 {
		g.printf("score  %.1f %% over %d answers\n", 100**r.Score, r.Answered)
	}
	return nil
}

// writeAnswers writes JSON Lines.
func writeAnswers(path string, answers []finetune.Answer) error {
	return checkpoint.AtomicFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		for _, a := range answers {
			if err := e.Encode(a); err != nil {
				return err
			}
		}
		return nil
	})
}
