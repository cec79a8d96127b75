package main

import (
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	tasks.Register("boolq", func() tasks.Task { return &BoolQ{tasks.NewChoiceFiles()} })
}

// BoolQ is questions about a passage to be answered by yes or no (Clark et al. 2019, arXiv 1905.10044), by log-likelihood.
// Records are {"question", "passage", "answer": true or false}; the prompt is lm-eval's.
type BoolQ struct{ tasks.ChoiceFiles }

var _ interface {
	tasks.MultipleChoice
	tasks.Metrics
	tasks.Describer
} = (*BoolQ)(nil)

// Describe implements tasks.Describer.
func (t *BoolQ) Describe() string { return "BoolQ's yes/no questions; score: accuracy" }

// Examples implements tasks.Task.
func (t *BoolQ) Examples(split tasks.Split) iter.Seq2[tasks.Example, error] {
	return t.Parse(split, parseBoolQ)
}

func parseBoolQ(r data.Record) (tasks.Example, error) {
	f := r.Fields()
	question, passage, answer := f.Text("question"), f.Text("passage"), string(f.Raw("answer"))
	if err := f.Err(); err != nil {
		return tasks.Example{}, err
	}
	right := 0
	switch answer {
	case "true":
		right = 1
	case "false":
	default:
		return tasks.Example{}, fmt.Errorf(`field "answer" is %q; want true or false`, answer)
	}
	return tasks.Question(passage+"\nQuestion: "+question+"?\nAnswer:", []string{"no", "yes"}, right), nil
}

// ComputeMetrics implements tasks.Metrics.
func (t *BoolQ) ComputeMetrics(examples []tasks.Example, predictions []tasks.Prediction) ([]tasks.Metric, error) {
	return []tasks.Metric{tasks.Accuracy(examples, predictions)}, nil
}
