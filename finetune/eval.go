package finetune

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// EvalResult is how well a model does on a task's data.
type EvalResult struct {
	// Loss is the mean over the scored tokens.
	Loss float64 `json:"eval_loss"`
	// Score is the mean score of the generated answers, nil where the task has none.
	Score *float64 `json:"eval_score"`
	// Metrics are the task's figures over all answers, the first of them Score.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
	// Names are the metrics' names in the task's order.
	Names []string `json:"-"`
	// Rows and Scored count what Loss is over; Answered what Score is over.
	Rows     int `json:"rows"`
	Scored   int `json:"scored_tokens"`
	Answered int `json:"answers"`
}

// Evaluate takes the loss and, where the task generates, the score of its eval split, or of the first limit examples
// (0: all).
func (l *Loaded) Evaluate(ctx context.Context, tok *tokenizer.Tokenizer, task tasks.Task, limit int) (*EvalResult, []Answer, error) {
	template, err := chatTemplate(tok)
	if err != nil {
		return nil, nil, err
	}
	if err := matchHead(task, l.Model); err != nil {
		return nil, nil, fmt.Errorf("eval: %w", err)
	}
	rows, err := l.evalRows(tok, template, task, limit)
	if err != nil {
		return nil, nil, err
	}
	r := &EvalResult{Rows: len(rows)}
	for _, row := range rows {
		r.Scored += l.Scored(row.Labels, row.Values)
	}
	t := &Trainer{Model: l.Model, Adapter: l.Adapter, SliceTokens: Default().SliceTokens}
	if r.Loss, err = t.EvalLoss(rows); err != nil {
		return nil, nil, err
	}
	if l.Head().Kind == model.MaskedLM {
		r.figures([]tasks.Metric{{Name: "pseudo_perplexity", Value: math.Exp(r.Loss)}})
	}
	_, generates := task.(tasks.Generator)
	_, judges := task.(tasks.Judge)
	if !generates && !judges {
		return r, nil, nil
	}
	metrics, answers, err := answerSplit(ctx, l.Model, tok, l.Adapter, task, tasks.Eval, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("eval: %w", err)
	}
	r.Score, r.Answered = &metrics[0].Value, len(answers)
	if judges {
		r.figures(metrics)
	}
	return r, answers, nil
}

// evalRows are the first limit rows (0: all) of a task's eval split.
func (l *Loaded) evalRows(tok *tokenizer.Tokenizer, template tasks.Template, task tasks.Task, limit int) ([]tasks.Row, error) {
	var rows []tasks.Row
	for row, err := range tasks.Rows(tok, template, task, tasks.Eval, l.Sizes().Positions) {
		if err != nil {
			return nil, err
		}
		if rows = append(rows, row); len(rows) == limit {
			break
		}
	}
	drawHeld(task, tasks.NewTexts(tok, l.Sizes().Positions), rows)
	return rows, nil
}

// figures keeps the task's.
func (r *EvalResult) figures(metrics []tasks.Metric) {
	r.Metrics = byName(metrics)
	for _, m := range metrics {
		r.Names = append(r.Names, m.Name)
	}
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
