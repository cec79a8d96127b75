package main

import (
	"fmt"

	"github.com/spagotune/spagotune/evaluate"
)

// evalCmd is the verb eval.
type evalCmd struct {
	Model   string   `hub:"model" placeholder:"NAME" help:"Hugging Face folder, GGUF file, name on the Hub (org/name[@revision]), or \"embedded\". Without it, the base that the adapter names."`
	Adapter string   `hub:"adapter" placeholder:"NAME" help:"Folder of an adapter, or its name on the Hub."`
	Task    []string `required:"" placeholder:"NAME" help:"Tasks, separated by commas: ${tasks}."`
	Data    []string `sep:"none" placeholder:"[NAME=]PATH" help:"Data of a task, all of which is evaluated: a path, or org/name[:config/split] on the Hub; several are read one after the other. With several tasks, give it with their names."`
	Limit   int      `placeholder:"N" help:"Evaluate only the first N examples of each task. 0 means all."`
	Set     []string `sep:"none" placeholder:"[NAME.]KEY=VALUE" help:"Set an option of all tasks that have it, or of one task; may be repeated."`
	Loss    bool     `help:"Compute the loss of tasks whose answers are generated, too. Other tasks always have one."`
	Answers string   `placeholder:"FILE" help:"Write the answers as JSON Lines. An interrupted evaluation resumes from this file."`
	JSON    bool     `name:"json" help:"Print JSON."`
	threadsFlag
}

// Validate says that the model is missing, or a limit wrong.
func (c *evalCmd) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("--limit is %d; want 0 (all examples) or more", c.Limit)
	}
	return needsModel(c.Model, c.Adapter)
}

// Help returns notes and examples for --help.
func (evalCmd) Help() string {
	return `Depending on the task, answers are generated greedily, chosen by log-likelihood, or computed by the model's head. The task
scores them. The loss is the mean over everything that is scored. Each line of the file of answers has the keys task, where, prompt,
output, want, score, verdict, extracted (the part of the output that is compared), and choices or prediction with probabilities.

Examples:
  finetune eval --model smollm2 --task math --data gsm8k/test.jsonl --limit 50 --answers answers.jsonl
  finetune eval --model smollm2 --adapter run --task math --set form=raw --data gsm8k/test.jsonl --json
  finetune eval --model bert --adapter run --task tokens --data test.conll --answers answers.jsonl
  finetune eval --model smollm2 --task mmlu,gsm8k --data mmlu=mmlu --data gsm8k=gsm8k/test.jsonl --set mmlu.shots=5
  finetune eval --model embedded --adapter run/mora --task memory --set pairs=100`
}

// Run evaluates and prints.
func (c *evalCmd) Run(g *globals) error {
	return g.onRanks(c.Answers, c.threadsFlag, func() error { return c.run(g) })
}

func (c *evalCmd) run(g *globals) error {
	if err := g.Names.taskData(c.Task, c.Data, c.Set); err != nil {
		return err
	}
	all, err := evaluate.Tasks(c.Task, c.Data, c.Set)
	if err != nil {
		return err
	}
	s, err := c.open(g, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	o := evaluate.Options{Limit: c.Limit, Loss: c.Loss}
	if c.Answers != "" && g.leads() {
		o.Log, err = evaluate.OpenPredictionLog(c.Answers, evaluate.Run{Model: s.Model.Dir, Adapter: c.Adapter, Tasks: all, Limit: o.Limit})
		if err != nil {
			return err
		}
		defer func() { _ = o.Log.Close() }()
	}
	results, err := evaluate.All(g.Ctx, s, all, o)
	if err != nil {
		return err
	}
	return c.print(g, all, results)
}

// print prints the results. As JSON, the result of a single task is an object, those of several tasks are objects by
// name.
func (c *evalCmd) print(g *globals, all []evaluate.NamedTask, results []*evaluate.Result) error {
	if c.JSON && len(results) == 1 {
		return g.print(results[0])
	}
	if c.JSON {
		byName := map[string]*evaluate.Result{}
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

// printEval prints a task's loss, score and metrics.
func printEval(g *globals, r *evaluate.Result) {
	if r.Loss != nil {
		g.printf("loss   %.4f over %d scored tokens of %d rows\n", *r.Loss, r.Scored, r.Rows)
	}
	for _, name := range r.Names {
		if v, defined := r.Metrics[name]; defined {
			g.printf("%s  %.4f\n", name, v)
		} else {
			g.printf("%s  is not defined: all answers, or all references, are equal\n", name)
		}
	}
	if r.Truncated > 0 {
		g.printf("%d of %d texts were too long for the model and were cut\n", r.Truncated, r.Answered)
	}
	switch {
	case r.Score != nil && len(r.Names) == 0:
		g.printf("score  %.1f %% over %d answers\n", 100**r.Score, r.Answered)
	case r.Answered > 0:
		g.printf("answers  %d\n", r.Answered)
	}
}
