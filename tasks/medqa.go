package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("medqa", func() Task { return &MedQA{NewChoiceFiles()} })
}

// MedQA is questions of the United States Medical Licensing Examination (Jin et al. 2021), whose options have letters,
// answered by log-likelihood. Records are {"question", "options": {"A": ..., "B": ...}, "answer_idx": "A"}.
type MedQA struct{ ChoiceFiles }

var _ interface {
	MultipleChoice
	Describer
} = (*MedQA)(nil)

// Describe says what the task is.
func (t *MedQA) Describe() string {
	return "MedQA's questions with options, by log-likelihood; score: accuracy"
}

// Examples yields the questions of a split.
func (t *MedQA) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, parseMedQA) }

func parseMedQA(r data.Record) (Example, error) {
	f := r.Fields()
	question, letter := f.Text("question"), f.Text("answer_idx")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	var byLetter map[string]string
	if err := json.Unmarshal(f.Raw("options"), &byLetter); err != nil || len(byLetter) < 2 || len(byLetter) > 26 {
		return Example{}, errors.New(`field "options" is not an object of two or more options by their letters`)
	}
	known := letters(len(byLetter))
	options := make([]string, len(known))
	for i, l := range known {
		option, ok := byLetter[l]
		if !ok {
			return Example{}, fmt.Errorf(`field "options" has %d options, but none named %s`, len(byLetter), l)
		}
		options[i] = option
	}
	right := slices.Index(known, letter)
	if right < 0 {
		return Example{}, fmt.Errorf(`field "answer_idx" is %q, which is not one of the options`, letter)
	}
	return Question("Question: "+question+"\n"+optionLines(options)+"Answer:", known, right), nil
}
