package tasks

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

// latex is a record of MATH: the answer is in the solution's last box, or in a field of its own.
func (t *Math) latex(o data.Object) (Example, error) {
	problem, err1 := o.Text("problem")
	solution, err2 := o.Optional("solution")
	gold, err3 := o.Optional("answer")
	if err := errors.Join(err1, err2, err3); err != nil {
		return Example{}, oneLine(err)
	}
	if inside, ok := metric.Boxed(solution); ok {
		gold = inside
	} else if solution != "" || gold == "" {
		return Example{}, fmt.Errorf(`field "solution" has no \boxed{…} with the answer`)
	}
	answer := strings.TrimPrefix(solution+"\n"+metric.AnswerMarker+gold, "\n")
	if t.Form == "raw" {
		if answer = " " + solution; solution == "" {
			answer = ` \boxed{` + gold + "}"
		}
	}
	ex := t.example(problem, answer, gold)
	ex.latex = true
	return ex, nil
}

// metaMathQA is a record of MetaMathQA, whose responses end in "The answer is: …" as they are.
func (t *Math) metaMathQA(o data.Object) (Example, error) {
	query, err1 := o.Text("query")
	answer, err2 := o.Text("response")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	final, ok := metric.LaTeXAnswer(answer)
	if !ok || final == "" {
		return Example{}, fmt.Errorf("field \"response\" has no answer behind a last %q", metric.AnswerMarker)
	}
	return t.marked(query, answer, final)
}

// chain is a record of FLAN's chains of thought.
func (t *Math) chain(o data.Object) (Example, error) {
	question, err1 := o.Text("question")
	final, err2 := o.Text("answer")
	thought, err3 := o.Text(data.ChainOfThought)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Example{}, oneLine(err)
	}
	if n := strings.ReplaceAll(final, ",", ""); number.MatchString(n) {
		final = n
	}
	return t.marked(question, thought+"\n"+metric.AnswerMarker+final, final)
}

// marked is a problem whose answer ends in MetaMath's marker: whole numbers are compared as such, others as LaTeX.
func (t *Math) marked(problem, answer, final string) (Example, error) {
	if t.Form == "raw" {
		return Example{}, errors.New("the form raw takes records of GSM8K and MATH only")
	}
	ex := t.example(problem, answer, final)
	ex.latex = !number.MatchString(final) || strings.Contains(final, ".")
	return ex, nil
}
