package main

import (
	"maps"
	"slices"

	"github.com/spagotune/spagotune/finetune"
)

// evalCmd scores a model.
type evalCmd struct {
	Model   string   `required:"" placeholder:"DIR" help:"Hugging Face folder, or \"embedded\"."`
	Adapter string   `placeholder:"DIR" help:"Adapter's folder."`
	Task    []string `required:"" placeholder:"NAME,…" help:"Tasks: memory, instruct, math, mmlu, text …"`
	Data    []string `sep:"none" placeholder:"[NAME=]PATH" help:"A task's data; all of it is evaluated. Repeated, with the task's name, for several."`
	Limit   int      `placeholder:"N" help:"Take only the first N examples of each task; 0 is all."`
	Set     []string `sep:"none" placeholder:"[NAME.]KEY=VALUE" help:"Set an option of the tasks, or of one; may be repeated."`
	Answers string   `placeholder:"FILE" help:"Keep the answers as JSON Lines; a run that was cut off goes on from there."`
	JSON    bool     `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help is shown by --help.
func (evalCmd) Help() string {
	return `The loss is the mean over the scored tokens. Where the task generates answers, they are made greedily and scored; a
choice is made by log-likelihood. The file of answers has for each: task, where, prompt, output, want, score, verdict, and what
was extracted from the output.

Examples:
  finetune eval --model smollm2 --task math --data gsm8k/test.jsonl --limit 50 --answers answers.jsonl
  finetune eval --model smollm2 --adapter run --task math --set form=raw --data gsm8k/test.jsonl --json
  finetune eval --model smollm2 --task mmlu,gsm8k --data mmlu=mmlu --data gsm8k=gsm8k/test.jsonl --set mmlu.shots=5
  finetune eval --model embedded --adapter run/mora --task memory --set pairs=100`
}

// Run evaluates and prints.
func (c *evalCmd) Run(g *globals) error {
	all, err := finetune.TasksOn(c.Task, c.Data, c.Set)
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
	limit := max(c.Limit, 0)
	var file *finetune.AnswerFile
	if c.Answers != "" {
		file, err = finetune.OpenAnswers(c.Answers, finetune.EvalRun{Model: l.Dir, Adapter: c.Adapter, Tasks: all, Limit: limit})
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
	}
	results, err := l.EvaluateAll(g.Ctx, tok, all, limit, file)
	if err != nil {
		return err
	}
	return c.print(g, all, results)
}

// print writes the results: as JSON one task's as it is, several by their names.
func (c *evalCmd) print(g *globals, all []finetune.NamedTask, results []*finetune.EvalResult) error {
	if c.JSON && len(results) == 1 {
		return g.print(results[0])
	}
	if c.JSON {
		byName := map[string]*finetune.EvalResult{}
		for i, t := range all {
			byName[t.Name] = results[i]
		}
		return g.print(byName)
	}
	for i, r := range results {
		if len(results) > 1 {
			g.printf("%s\n", all[i].Name)
		}
		g.printf("loss   %.4f over %d scored tokens of %d rows\n", r.Loss, r.Scored, r.Rows)
		if r.Score != nil {
			g.printf("score  %.1f %% over %d answers\n", 100**r.Score, r.Answered)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Metrics)) {
			g.printf("%s %.1f %%\n", name, 100*r.Metrics[name])
		}
	}
	return nil
}
