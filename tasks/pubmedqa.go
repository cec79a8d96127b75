package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("pubmedqa", func() Task { return &PubMedQA{Files: Files{EvalSize: autoSize}} })
}

// PubMedQA is questions on abstracts, answered yes, no or maybe (Jin et al. 2019) by log-likelihood. The file is an object
// of records by their PMID; Index takes those of a split. The long answer is never shown.
type PubMedQA struct {
	Files
	FewShot
}

var (
	_ MultipleChoice = (*PubMedQA)(nil)
	_ Metrics        = (*PubMedQA)(nil)
	_ AnswerParser   = (*PubMedQA)(nil)
	_ Checker        = (*PubMedQA)(nil)
	_ Describer      = (*PubMedQA)(nil)
)

// decisions are the answers.
var decisions = []string{" yes", " no", " maybe"}

// Describe says what the task is.
func (t *PubMedQA) Describe() string {
	return "PubMedQA's yes, no or maybe, by log-likelihood; score: accuracy"
}

// Check refuses options that make no sense together.
func (t *PubMedQA) Check() error { return oneOf(t.Files.Check(), t.FewShot.check()) }

// Examples yields the records of a split.
func (t *PubMedQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.withShots(split, t.Shots, parsePubMedQA)
}

func parsePubMedQA(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	question, err1 := o.Text("QUESTION")
	contexts, err2 := o.List("CONTEXTS")
	decision, err3 := o.Text("final_decision")
	if err := errors.Join(err1, err2, err3); err != nil {
		return Example{}, oneLine(err)
	}
	if !slices.Contains(decisions, " "+decision) {
		return Example{}, fmt.Errorf(`field "final_decision" is %q, want yes, no or maybe`, decision)
	}
	prompt := "Abstract: " + strings.Join(contexts, "\n") + "\nQuestion: " + question + "\nAnswer:"
	return Example{Segments: response(prompt, " "+decision), Prompt: prompt, Reference: " " + decision}, nil
}

// Choices are yes, no and maybe.
func (t *PubMedQA) Choices(Example) []string { return decisions }

// Score is 1 for the right decision.
func (t *PubMedQA) Score(want Example, got string) float64 { return exactly(want, got) }

// ParseAnswer is the decision.
func (t *PubMedQA) ParseAnswer(_ Example, got string) string { return strings.TrimSpace(got) }

// ComputeMetrics is accuracy and macro-F1.
func (t *PubMedQA) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	c, err := confusion(examples, answers)
	if err != nil {
		return nil, err
	}
	return []Metric{{"accuracy", c.Accuracy()}, {"macro_f1", c.MacroF1()}}, nil
}
