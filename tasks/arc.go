package tasks

import (
	"fmt"
	"iter"
	"slices"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("arc", func() Task { return &ARC{NewChoiceFiles()} })
}

// ARC is the AI2 Reasoning Challenge: science questions for schools, with three to five options (Clark et al. 2018,
// arXiv 1803.05457), answered by log-likelihood. Records are {"question", "choices": {"text": [...], "label": ["A",
// ...]}, "answerKey"}. Prompt, choices and metrics are those of lm-eval's arc_easy and arc_challenge: the model
// continues "Question: ...\nAnswer:" with the text of an option.
type ARC struct{ ChoiceFiles }

var _ interface {
	MultipleChoice
	Metrics
	Describer
} = (*ARC)(nil)

// Describe says what the task is.
func (t *ARC) Describe() string {
	return "ARC's science questions with options, by log-likelihood; score: accuracy"
}

// Examples yields the questions of a split.
func (t *ARC) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, parseARC) }

func parseARC(r data.Record) (Example, error) {
	f := r.Fields()
	question, key := f.Text("question"), f.Text("answerKey")
	choices := f.Object("choices")
	texts, labels := choices.List("text"), choices.List("label")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	if len(texts) < 2 || len(texts) != len(labels) {
		return Example{}, fmt.Errorf(`field "choices" has %d texts and %d labels; want two or more, as many labels as texts`, len(texts), len(labels))
	}
	right := slices.Index(labels, key)
	if right < 0 {
		return Example{}, fmt.Errorf(`field "answerKey" is %q, which is not one of the labels %q`, key, labels)
	}
	return Question("Question: "+question+"\nAnswer:", texts, right), nil
}

// ComputeMetrics is the accuracy, and where the choices have scores, the accuracy normalised by their length.
func (t *ARC) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	metrics := []Metric{Accuracy(examples, predictions)}
	if m, ok := AccNorm(examples, predictions); ok {
		metrics = append(metrics, m)
	}
	return metrics, nil
}
