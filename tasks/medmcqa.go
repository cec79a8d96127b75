package tasks

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("medmcqa", func() Task { return &MedMCQA{NewChoiceFiles()} })
}

// MedMCQA is questions of Indian medical entrance exams with four options (Pal et al. 2022), answered by
// log-likelihood. Records are {"question", "opa", "opb", "opc", "opd", "cop": 1 to 4, "subject_name", "choice_type"}.
// Questions with several right options are left out.
type MedMCQA struct{ ChoiceFiles }

var _ interface {
	MultipleChoice
	Metrics
	Describer
} = (*MedMCQA)(nil)

// Describe says what the task is.
func (t *MedMCQA) Describe() string {
	return "MedMCQA's questions with four options, by log-likelihood; score: accuracy"
}

// Examples yields the questions of a split.
func (t *MedMCQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.Parse(split, parseMedMCQA)
}

func parseMedMCQA(r data.Record) (Example, error) {
	f := r.Fields()
	choiceType := f.Optional("choice_type")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	if choiceType == "multi" {
		return Example{}, ErrSkip
	}
	question := f.Text("question")
	options := []string{f.Text("opa"), f.Text("opb"), f.Text("opc"), f.Text("opd")}
	subject := f.Optional("subject_name")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	var right int
	if err := json.Unmarshal(f.Raw("cop"), &right); err != nil || right < 1 || right > 4 {
		return Example{}, fmt.Errorf(`field "cop" is %s, want the number of the right option, 1 to 4`, f.Raw("cop"))
	}
	ex := Question("Question: "+question+"\nChoices:\n"+optionLines(options)+"Answer:", letters(4), right-1)
	ex.Group = subject
	return ex, nil
}

// ComputeMetrics is the accuracy, and its mean over the subjects.
func (t *MedMCQA) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	return groupMetrics("mean_of_subjects", examples, predictions)
}
