package main

import "github.com/spagotune/spagotune/finetune"

// evalCmd scores a model.
type evalCmd struct {
	Model   string   `required:"" placeholder:"DIR" help:"Hugging Face folder, or \"embedded\"."`
	Adapter string   `placeholder:"DIR" help:"Adapter's folder."`
	Task    []string `required:"" placeholder:"NAME,…" help:"Tasks: ${tasks}."`
	Data    []string `sep:"none" placeholder:"[NAME=]PATH" help:"A task's data; all of it is evaluated. Repeated, with the task's name, for several."`
	Limit   int      `placeholder:"N" help:"Take only the first N examples of each task; 0 is all."`
	Set     []string `sep:"none" placeholder:"[NAME.]KEY=VALUE" help:"Set an option of the tasks, or of one; may be repeated."`
	Loss    bool     `help:"Take the loss too where answers are generated; all else has it anyway."`
	Answers string   `placeholder:"FILE" help:"Keep the answers as JSON Lines; a run that was cut off goes on from there."`
	JSON    bool     `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help is shown by --help.
func (evalCmd) Help() string {
	return `Answers are generated greedily, chosen by log-likelihood, or read off the model's head, and judged by the task. The loss is the
mean over all that is scored; where answers are generated it takes a pass of its own, for which --loss asks. The file of answers
has for each: task, where, prompt, output, want, score, verdict, what the task's rule extracted from the output, and choices or
prediction with their probabilities.

Examples:
  finetune eval --model smollm2 --task math --data gsm8k/test.jsonl --limit 50 --answers answers.jsonl
  finetune eval --model smollm2 --adapter run --task math --set form=raw --data gsm8k/test.jsonl --json
  finetune eval --model bert --adapter run --task tokens --data test.conll --answers answers.jsonl
  finetune eval --model smollm2 --task mmlu,gsm8k --data mmlu=mmlu --data gsm8k=gsm8k/test.jsonl --set mmlu.shots=5
  finetune eval --model embedded --adapter run/mora --task memory --set pairs=100`
}

// Run evaluates and prints.
func (c *evalCmd) Run(g *globals) error {
	all, err := finetune.TasksOn(c.Task, c.Data, c.Set)
	if err != nil {
		return err
	}
	l, err := c.open(g.Ctx, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	tok, err := l.Tokenizer()
	if err != nil {
		return err
	}
	o := finetune.EvalOptions{Limit: max(c.Limit, 0), Loss: c.Loss}
	if c.Answers != "" {
		o.Answers, err = finetune.OpenPredictionLog(c.Answers, finetune.EvalRun{Model: l.Dir, Adapter: c.Adapter, Tasks: all, Limit: o.Limit})
		if err != nil {
			return err
		}
		defer func() { _ = o.Answers.Close() }()
	}
	results, err := l.EvaluateAll(g.Ctx, tok, all, o)
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
		printEval(g, r)
	}
	return nil
}

// printEval writes a task's loss, score and figures.
func printEval(g *globals, r *finetune.EvalResult) {
	if r.Loss != nil {
		g.printf("loss   %.4f over %d scored tokens of %d rows\n", *r.Loss, r.Scored, r.Rows)
	}
	for _, name := range r.Names {
		g.printf("%s  %.4f\n", name, r.Metrics[name])
	}
	switch {
	case r.Score != nil && len(r.Names) == 0:
		g.printf("score  %.1f %% over %d answers\n", 100**r.Score, r.Answered)
	case r.Score != nil:
		g.printf("answers  %d\n", r.Answered)
	}
}
