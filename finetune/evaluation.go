package finetune

import (
	"context"
	"math"
	"time"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// evaluation is a task's.
type evaluation struct {
	l   *Session
	tok *tokenizer.Tokenizer
	EvalOptions
}

// run takes the loss where it is cheap or wanted, and the answers where the task has some.
func (e *evaluation) run(ctx context.Context, t NamedTask) (*EvalResult, []Prediction, error) {
	began := time.Now()
	if err := matchHead(t.Task, e.l.Model); err != nil {
		return nil, nil, err
	}
	r := &EvalResult{}
	_, chooses := t.Task.(tasks.MultipleChoice)
	_, generates := t.Task.(tasks.Generator)
	_, judges := t.Task.(tasks.Metrics)
	if !chooses && (!generates || e.Loss) {
		if err := e.loss(ctx, r, t.Task); err != nil {
			return nil, nil, err
		}
	}
	var answers []Prediction
	if chooses || generates || judges {
		var err error
		if answers, err = e.answers(ctx, r, t); err != nil {
			return nil, nil, err
		}
	}
	if chooses {
		r.likelihood(answers)
	}
	r.Seconds = time.Since(began).Seconds()
	return r, answers, nil
}

// loss takes the mean loss of the task's rows.
func (e *evaluation) loss(ctx context.Context, r *EvalResult, task tasks.Task) error {
	rows, err := e.rows(task)
	if err != nil {
		return err
	}
	r.Rows = len(rows)
	for _, row := range rows {
		r.Scored += e.l.Scored(row.Labels, row.FloatLabels)
	}
	t := &Trainer{Model: e.l.Model, Adapter: e.l.Adapter, MaxTokensPerMicroBatch: defaultMicroBatch(e.l.Model)}
	loss, err := t.EvalLoss(ctx, rows)
	if err != nil {
		return err
	}
	r.Loss = &loss
	if e.l.Head().Kind == head.MaskedLM {
		r.figures([]tasks.Metric{{Name: "pseudo_perplexity", Value: math.Exp(loss)}})
	}
	return nil
}

// rows are the first ones of a task's eval split.
func (e *evaluation) rows(task tasks.Task) ([]tasks.Features, error) {
	template, err := chatTemplate(e.tok)
	if err != nil {
		return nil, err
	}
	var rows []tasks.Features
	for row, err := range tasks.Rows(e.tok, template, task, tasks.Eval, e.l.Config().MaxPositionEmbeddings) {
		if err != nil {
			return nil, err
		}
		if rows = append(rows, row); len(rows) == e.Limit {
			break
		}
	}
	drawHeld(task, tasks.NewPairEncoder(e.tok, e.l.Config().MaxPositionEmbeddings), rows)
	return rows, nil
}

// answers lets the model answer and takes the task's score.
func (e *evaluation) answers(ctx context.Context, r *EvalResult, t NamedTask) ([]Prediction, error) {
	metrics, answers, err := predictor{e.l.Model, e.tok, e.l.Adapter}.respond(ctx, t, tasks.Eval, e.Limit, e.Answers)
	if err != nil {
		return nil, err
	}
	r.Score, r.Answered = &metrics[0].Value, len(answers)
	if _, ok := t.Task.(tasks.Metrics); ok {
		r.figures(metrics)
	}
	return answers, nil
}

// figures keeps the task's.
func (r *EvalResult) figures(metrics []tasks.Metric) {
	r.Metrics = byName(metrics)
	for _, m := range metrics {
		r.Names = append(r.Names, m.Name)
	}
}

// likelihood is the loss of the right choices, by token.
func (r *EvalResult) likelihood(answers []Prediction) {
	sum := 0.0
	for _, a := range answers {
		for _, c := range a.Choices {
			if c.Text == a.Reference {
				sum -= c.LogProb
				r.Scored += c.Tokens
			}
		}
	}
	r.Rows = len(answers)
	loss := sum / float64(max(r.Scored, 1))
	r.Loss = &loss
}
