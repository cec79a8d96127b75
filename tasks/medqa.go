package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("medqa", func() Task { return &MedQA{Files: Files{EvalSize: autoSize}} })
}

// MedQA is questions of the USMLE with options A, B … (Jin et al. 2021), answered by log-likelihood:
// {"question", "options": {"A": …}, "answer_idx"}.
type MedQA struct {
	multipleChoice
	Files
	FewShot
}

var (
	_ MultipleChoice = (*MedQA)(nil)
	_ AnswerParser   = (*MedQA)(nil)
	_ Checker        = (*MedQA)(nil)
	_ Describer      = (*MedQA)(nil)
)

// Describe says what the task is.
func (t *MedQA) Describe() string {
	return "MedQA's questions with options, by log-likelihood; score: accuracy"
}

// Check refuses options that make no sense together.
func (t *MedQA) Check() error { return oneOf(t.Files.Check(), t.FewShot.check()) }

// Examples yields the records of a split.
func (t *MedQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.withShots(split, t.Shots, parseMedQA)
}

func parseMedQA(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	question, err1 := o.Text("question")
	letter, err2 := o.Text("answer_idx")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	var byLetter map[string]string
	if err := json.Unmarshal(o["options"], &byLetter); err != nil || len(byLetter) < 2 || len(byLetter) > 26 {
		return Example{}, errors.New(`field "options" is no object of two or more options by their letters`)
	}
	options, right := make([]string, len(byLetter)), -1
	for i := range options {
		l := string(rune('A' + i))
		option, ok := byLetter[l]
		if !ok {
			return Example{}, fmt.Errorf(`field "options" has %d options, but none named %s`, len(byLetter), l)
		}
		if options[i] = option; l == letter {
			right = i
		}
	}
	if right < 0 {
		return Example{}, fmt.Errorf(`field "answer_idx" is %q, which is no option`, letter)
	}
	return lettered("Question: "+question+"\n"+optionLines(options)+"Answer:", len(options), right), nil
}
