package tasks

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("pubmedqa", func() Task {
		t := &PubMedQA{NewChoiceFiles()}
		t.classOf = byLabel("final_decision")
		return t
	})
}

// PubMedQA is questions about abstracts, answered yes, no or maybe (Jin et al. 2019) by log-likelihood. The file is an
// object of records by their PMID, and Index lists those of a split. The long answer is never shown.
type PubMedQA struct{ ChoiceFiles }

var _ interface {
	MultipleChoice
	Metrics
	Describer
} = (*PubMedQA)(nil)

// decisions are the answers.
var decisions = []string{"yes", "no", "maybe"}

// Describe says what the task is.
func (t *PubMedQA) Describe() string {
	return "PubMedQA's yes, no or maybe, by log-likelihood; score: accuracy"
}

// Examples yields the questions of a split.
func (t *PubMedQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.Parse(split, parsePubMedQA)
}

func parsePubMedQA(r data.Record) (Example, error) {
	f := r.Fields()
	question, contexts, decision := f.Text("QUESTION"), f.List("CONTEXTS"), f.Text("final_decision")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	right := slices.Index(decisions, decision)
	if right < 0 {
		return Example{}, fmt.Errorf(`field "final_decision" is %q, want yes, no or maybe`, decision)
	}
	return Question("Abstract: "+strings.Join(contexts, "\n")+"\nQuestion: "+question+"\nAnswer:", decisions, right), nil
}

// ComputeMetrics is the accuracy and the macro-averaged F1.
func (t *PubMedQA) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	c, err := confusion(examples, predictions)
	if err != nil {
		return nil, err
	}
	return []Metric{{"accuracy", c.Accuracy()}, {"macro_f1", c.MacroF1()}}, nil
}
