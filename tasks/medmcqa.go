package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("medmcqa", func() Task { return &MedMCQA{Files: Files{EvalSize: autoSize}} })
}

// MedMCQA is questions of Indian medical entrance exams with four options (Pal et al. 2022), answered by log-likelihood:
// {"question", "opa" … "opd", "cop": 1 to 4, "subject_name", "choice_type"}. Those with several right options are left out.
type MedMCQA struct {
	multipleChoice
	Files
	FewShot
}

var (
	_ MultipleChoice = (*MedMCQA)(nil)
	_ Metrics        = (*MedMCQA)(nil)
	_ AnswerParser   = (*MedMCQA)(nil)
	_ Checker        = (*MedMCQA)(nil)
	_ Describer      = (*MedMCQA)(nil)
)

// Describe says what the task is.
func (t *MedMCQA) Describe() string {
	return "MedMCQA's questions with four options, by log-likelihood; score: accuracy"
}

// Check refuses options that make no sense together.
func (t *MedMCQA) Check() error { return oneOf(t.Files.Check(), t.FewShot.check()) }

// Examples yields the records of a split.
func (t *MedMCQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.withShots(split, t.Shots, parseMedMCQA)
}

func parseMedMCQA(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	kind, err := o.Optional("choice_type")
	switch {
	case err != nil:
		return Example{}, err
	case kind == "multi":
		return Example{}, errSkip
	}
	question, problem := o.Text("question")
	var options []string
	for _, name := range []string{"opa", "opb", "opc", "opd"} {
		option, err := o.Text(name)
		problem = errors.Join(problem, err)
		options = append(options, option)
	}
	subject, err := o.Optional("subject_name")
	if problem = errors.Join(problem, err); problem != nil {
		return Example{}, oneLine(problem)
	}
	var right int
	if err := json.Unmarshal(o["cop"], &right); err != nil || right < 1 || right > 4 {
		return Example{}, fmt.Errorf(`field "cop" is %s, want the number of the right option, 1 to 4`, o["cop"])
	}
	ex := lettered("Question: "+question+"\nChoices:\n"+optionLines(options)+"Answer:", 4, right-1)
	ex.group = subject
	return ex, nil
}

// ComputeMetrics is accuracy, and its mean over the subjects.
func (t *MedMCQA) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	return judgeGroups("mean_of_subjects", examples, answers)
}
