package evaluate

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// Result is how well a model does on a task's data.
type Result struct {
	// Loss is the mean over everything that is scored, nil if it was not computed. For multiple choice it is that of
	// the right choices, per token.
	Loss *float64 `json:"eval_loss"`
	// Score is the task's first metric, or the mean score of the answers. It is nil if the task has no answers, or where
	// it is not defined.
	Score *float64 `json:"eval_score"`
	// Metrics are the task's metrics over all answers, by name. Names lists the names in the task's order.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
	Names   []string           `json:"-"`
	// Rows and Scored count the rows and the scored tokens (or documents) of Loss, Answered the answers of Score.
	Rows     int `json:"rows"`
	Scored   int `json:"scored_tokens"`
	Answered int `json:"answers"`
	// Truncated counts the answers to examples that were too long for the model and were cut.
	Truncated int `json:"truncated,omitempty"`
	// Seconds is the time of the evaluation.
	Seconds float64 `json:"seconds"`
}

// Options say how to evaluate.
type Options struct {
	// Limit is the number of examples to take of each task, from the first on; 0 means all.
	Limit int
	// Loss computes the loss even if answers are generated, which takes another pass over all examples. Other tasks
	// always have a loss.
	Loss bool
	// Log, if not nil, receives every answer as soon as it is there. Answers that it holds already are taken from it.
	Log *PredictionLog
}

// NamedTask is a task and the name that it is reported by.
type NamedTask struct {
	Name string
	Task tasks.Task
}

// Evaluate computes the loss of a task's eval split and, if the task has answers, its score. It returns the answers
// too.
func Evaluate(ctx context.Context, s *infer.Session, task tasks.Task, o Options) (*Result, []Prediction, error) {
	r, answers, err := evaluate(ctx, s, NamedTask{Task: task}, o)
	if err != nil {
		return nil, nil, fmt.Errorf("eval: %w", err)
	}
	return r, answers, nil
}

// All evaluates several tasks in turn and returns a result for each.
func All(ctx context.Context, s *infer.Session, all []NamedTask, o Options) ([]*Result, error) {
	var results []*Result
	for _, t := range all {
		r, _, err := evaluate(ctx, s, t, o)
		if err != nil {
			return nil, fmt.Errorf("eval: %s: %w", t.Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// evaluate is Evaluate for a task with a name, by which the log knows it.
func evaluate(ctx context.Context, s *infer.Session, t NamedTask, o Options) (*Result, []Prediction, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, nil, err
	}
	tasks.SetContext(ctx, t.Task)
	return (&evaluation{s, tok, o}).run(ctx, t)
}

// evaluation is the state of evaluate.
type evaluation struct {
	session *infer.Session
	tok     *tokenizer.Tokenizer
	Options
}

// run computes the loss if it is cheap or wanted, and the answers if the task has any.
func (e *evaluation) run(ctx context.Context, t NamedTask) (*Result, []Prediction, error) {
	began := time.Now()
	if err := infer.MatchHead(t.Task, e.session.Model); err != nil {
		return nil, nil, err
	}
	r := &Result{}
	_, chooses := t.Task.(tasks.MultipleChoice)
	_, generates := t.Task.(tasks.Generator)
	_, hasMetrics := t.Task.(tasks.Metrics)
	if !chooses && (!generates || e.Loss) {
		if err := e.loss(ctx, r, t.Task); err != nil {
			return nil, nil, err
		}
	}
	var answers []Prediction
	if chooses || generates || hasMetrics {
		var err error
		if answers, err = e.score(ctx, r, t); err != nil {
			return nil, nil, err
		}
	}
	if chooses {
		r.setChoiceLoss(answers)
	}
	r.Seconds = time.Since(began).Seconds()
	return r, answers, nil
}

// loss computes the mean loss of the task's rows.
func (e *evaluation) loss(ctx context.Context, r *Result, task tasks.Task) error {
	rows, err := e.rows(task)
	if err != nil {
		return err
	}
	r.Rows = len(rows)
	for _, row := range rows {
		r.Scored += e.session.Model.Scored(row.Labels, row.FloatLabels)
	}
	loss, err := e.session.Loss(ctx, rows, infer.EvalTokens(infer.DefaultMicroBatchTokens(e.session.Model)))
	if err != nil {
		return err
	}
	r.Loss = &loss
	if e.session.Model.Head().Kind == head.MaskedLM {
		r.setMetrics([]tasks.Metric{{Name: "pseudo_perplexity", Value: math.Exp(loss)}})
	}
	return nil
}

// rows encodes the examples of the task's eval split, up to the limit.
func (e *evaluation) rows(task tasks.Task) ([]tasks.Features, error) {
	template, err := infer.ChatTemplate(e.tok)
	if err != nil {
		return nil, err
	}
	var rows []tasks.Features
	for row, err := range tasks.Rows(e.tok, template, task, tasks.Eval, e.session.Model.MaxLength()) {
		if err != nil {
			return nil, err
		}
		if rows = append(rows, row); len(rows) == e.Limit {
			break
		}
	}
	infer.CollateEval(task, tasks.NewPairEncoder(e.tok, e.session.Model.MaxLength()), rows)
	return rows, nil
}

// score lets the model answer and computes the task's metrics.
func (e *evaluation) score(ctx context.Context, r *Result, t NamedTask) ([]Prediction, error) {
	metrics, answers, err := Score(ctx, e.session, t, tasks.Eval, e.Limit, e.Log)
	if err != nil {
		return nil, err
	}
	if r.Answered = len(answers); !math.IsNaN(metrics[0].Value) {
		r.Score = &metrics[0].Value
	}
	for _, a := range answers {
		if a.Truncated {
			r.Truncated++
		}
	}
	if _, ok := t.Task.(tasks.Metrics); ok {
		r.setMetrics(metrics)
	}
	return answers, nil
}

// setMetrics keeps the task's metrics and the order of their names.
func (r *Result) setMetrics(metrics []tasks.Metric) {
	r.Metrics = ByName(metrics)
	for _, m := range metrics {
		r.Names = append(r.Names, m.Name)
	}
}

// setChoiceLoss sets the loss of multiple choice: the mean over the tokens of the right choices.
func (r *Result) setChoiceLoss(answers []Prediction) {
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
