package finetune

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// EvalResult is how well a model does on a task's data.
type EvalResult struct {
	// Loss is the mean over all that is scored, nil where it was not taken; of choices it is that of the right ones.
	Loss *float64 `json:"eval_loss"`
	// Score is the task's, or the mean of the answers', nil where the task has no answers.
	Score *float64 `json:"eval_score"`
	// Metrics are the task's figures over all answers, the first of them Score.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
	// Names are the metrics' names in the task's order.
	Names []string `json:"-"`
	// Rows and Scored count what Loss is over; Answered what Score is over.
	Rows     int `json:"rows"`
	Scored   int `json:"scored_tokens"`
	Answered int `json:"answers"`
	// Seconds is how long it all took.
	Seconds float64 `json:"seconds"`
}

// EvalOptions are how an evaluation goes.
type EvalOptions struct {
	// Limit takes only the first so many examples of each task; 0 is all.
	Limit int
	// Loss takes the loss also where answers are generated, for which it is one pass more over all examples. The others
	// have theirs anyway.
	Loss bool
	// Answers, where not nil, keeps every answer as it comes; those that it holds already are not made again.
	Answers *PredictionLog
}

// NamedTask is a task and the name that it is reported under.
type NamedTask struct {
	Name string
	Task tasks.Task
}

// Evaluate takes the loss and, where the task has answers, the score of its eval split.
func (l *Session) Evaluate(ctx context.Context, tok *tokenizer.Tokenizer, task tasks.Task, o EvalOptions) (*EvalResult, []Prediction, error) {
	r, answers, err := (&evaluation{l, tok, o}).run(ctx, NamedTask{Task: task})
	if err != nil {
		return nil, nil, fmt.Errorf("eval: %w", err)
	}
	return r, answers, nil
}

// EvaluateAll evaluates several tasks in turn.
func (l *Session) EvaluateAll(ctx context.Context, tok *tokenizer.Tokenizer, all []NamedTask, o EvalOptions) ([]*EvalResult, error) {
	var results []*EvalResult
	for _, t := range all {
		r, _, err := (&evaluation{l, tok, o}).run(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("eval: %s: %w", t.Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}
