package finetune

import (
	"context"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// EvalResult is how well a model does on a task's data.
type EvalResult struct {
	// Loss is the mean over the scored tokens.
	Loss float64 `json:"eval_loss"`
	// Score is the mean score of the generated answers, nil where the task has none.
	Score *float64 `json:"eval_score"`
	// Rows and Scored count what Loss is over; Answered what Score is over.
	Rows     int `json:"rows"`
	Scored   int `json:"scored_tokens"`
	Answered int `json:"answers"`
	// Metrics are the task's measures over all answers, where it has some; Seconds is how long it all took.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
	Seconds float64            `json:"seconds,omitempty"`
}

// Evaluate takes the loss and, where the task generates, the score of its eval split, or of the first limit examples
// (0: all).
func (l *Loaded) Evaluate(ctx context.Context, tok *tokenizer.Tokenizer, task tasks.Task, limit int) (*EvalResult, []Answer, error) {
	if _, ok := task.(tasks.Chooser); ok {
		return (&evaluation{l: l, tok: tok, limit: limit}).run(ctx, NamedTask{Task: task})
	}
	template, err := chatTemplate(tok)
	if err != nil {
		return nil, nil, err
	}
	r := &EvalResult{}
	var rows []tasks.Row
	for row, err := range tasks.Rows(tok, template, task, tasks.Eval, l.Sizes().Positions) {
		if err != nil {
			return nil, nil, err
		}
		r.Scored += row.Scored()
		if rows = append(rows, row); len(rows) == limit {
			break
		}
	}
	r.Rows = len(rows)
	t := &Trainer{Model: l.Model, Adapter: l.Adapter, SliceTokens: Default().SliceTokens}
	if r.Loss, err = t.EvalLoss(rows); err != nil {
		return nil, nil, err
	}
	if _, ok := task.(tasks.Generator); !ok {
		return r, nil, nil
	}
	_, answers, err := Predict(ctx, l.Model, tok, l.Adapter, task, tasks.Eval, limit)
	if err != nil {
		return nil, nil, err
	}
	return r, answers, r.judge(task, limit, answers)
}

// TaskOn makes a task with data as one split, all of it, and settings ("key=value") of its own options.
func TaskOn(name string, split tasks.Split, data string, settings []string) (tasks.Task, error) {
	options, known := map[string]any{}, tasks.Options(name)
	if known == nil {
		return tasks.New(name, nil) // says what is known
	}
	key := map[tasks.Split]string{tasks.Train: "data", tasks.Eval: "eval_data", tasks.Test: "test_data"}[split]
	switch {
	case data == "":
	case !slices.Contains(known, key) && slices.Contains(known, "data"):
		options["data"] = data
	case !slices.Contains(known, key):
		return nil, fmt.Errorf("task %s takes no data", name)
	default:
		options[key] = data
		if split == tasks.Train && slices.Contains(known, "eval_size") {
			options["eval_size"] = 0
		}
	}
	for _, s := range settings {
		if err := set(options, s); err != nil {
			return nil, err
		}
	}
	return tasks.New(name, options)
}
