package tasks

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("swag", func() Task { return &SWAG{Files: NewFiles(data.ReadAny)} })
}

// SWAG is multiple choice by an encoder: each choice is read as the second text after what it is about, and gets a score
// (Zellers et al. 2018, arXiv 1808.05326). Records are {"text", "choices": [...], "label"}, with the number of the right
// choice from 0, or SWAG's own, {"sent1", "sent2", "ending0", "ending1" …, "label"}, whose choices begin with sent2.
type SWAG struct {
	Files
}

var _ interface {
	Postprocessor
	Metrics
	PromptBuilder
	DataChecker
	Describer
	Guesser
} = (*SWAG)(nil)

// Describe says what the task is.
func (t *SWAG) Describe() string {
	return "the right one of several texts after a text, by a head for multiple choice (JSONL, SWAG's CSV); score: accuracy"
}

// Head is one for multiple choice.
func (t *SWAG) Head(head.Config) (head.Config, error) {
	return head.Config{Kind: head.MultipleChoice}, nil
}

// Examples yields the questions of a split.
func (t *SWAG) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, parseSWAG) }

func parseSWAG(r data.Record) (Example, error) {
	o, err := r.Object()
	if err != nil {
		return Example{}, err
	}
	f := o.Fields()
	text, choices := swagTexts(o, f)
	label := f.Scalar("label")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	right, err := strconv.Atoi(label)
	if err != nil || right < 0 || right >= len(choices) {
		return Example{}, fmt.Errorf(`field "label" is %q; want the number of one of %d choices, from 0`, label, len(choices))
	}
	ex, err := choose(text, choices)
	ex.Input.Labels, ex.Reference = []string{label}, choices[right]
	return ex, err
}

// swagTexts reads what a record's choices are about, and the choices.
func swagTexts(o data.Object, f *data.Fields) (text string, choices []string) {
	if !o.Has("sent1") {
		return f.Text("text"), f.List("choices")
	}
	text = f.Text("sent1")
	second := f.Optional("sent2")
	for i := 0; o.Has("ending" + strconv.Itoa(i)); i++ {
		choices = append(choices, strings.TrimSpace(second+" "+f.Text("ending"+strconv.Itoa(i))))
	}
	return text, choices
}

// SWAGInput reads a record of SWAG, which needs no label, as BuildPrompt takes it: pair has the choices, one a line. It is false for
// other records.
func SWAGInput(o data.Object) (text, pair string, ok bool, err error) {
	if !o.IsList("choices") && !o.Has("sent1", "ending0") {
		return "", "", false, nil
	}
	f := o.Fields()
	text, choices := swagTexts(o, f)
	for i := range choices {
		choices[i] = strings.ReplaceAll(choices[i], "\n", " ")
	}
	return text, strings.Join(choices, "\n"), true, f.Err()
}

// choose is a question without its answer.
func choose(text string, choices []string) (Example, error) {
	if len(choices) < 2 {
		return Example{}, fmt.Errorf("%d choices; want two or more", len(choices))
	}
	if i := slices.IndexFunc(choices, func(c string) bool { return strings.TrimSpace(c) == "" }); i >= 0 {
		return Example{}, fmt.Errorf("choice %d is empty", i)
	}
	return Example{Input: Input{Text: text, Pair: strings.Join(choices, "\n")}, Choices: choices, Prompt: text}, nil
}

// BuildPrompt takes a text, and as the second text the choices, one a line.
func (t *SWAG) BuildPrompt(text, pair string) (Example, error) {
	ex, err := choose(text, strings.Split(strings.TrimSpace(pair), "\n"))
	if err != nil {
		err = fmt.Errorf("multiple choice needs a second text with the choices, one a line: %w", err)
	}
	return ex, err
}

// Encode makes one row of the text with each of the choices.
func (t *SWAG) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	var row Features
	cut := false
	for _, choice := range ex.Choices {
		one, truncated, err := texts.Row(ex.Input.Text, choice)
		if err != nil {
			return nil, false, err
		}
		if len(row.IDs) > 0 {
			row.DocumentStarts = append(row.DocumentStarts, len(row.IDs))
		}
		if one.TokenTypeIDs != nil {
			row.TokenTypeIDs = append(append(row.TokenTypeIDs, make([]int32, len(row.IDs)-len(row.TokenTypeIDs))...), one.TokenTypeIDs...)
		}
		row.IDs = append(row.IDs, one.IDs...)
		cut = cut || truncated
	}
	if row.TokenTypeIDs != nil {
		row.TokenTypeIDs = append(row.TokenTypeIDs, make([]int32, len(row.IDs)-len(row.TokenTypeIDs))...)
	}
	if ex.Input.Labels != nil {
		right, err := strconv.Atoi(ex.Input.Labels[0])
		if err != nil {
			return nil, false, err
		}
		row.Labels = []int32{int32(right)}
	}
	return []Features{row}, cut, nil
}

// Postprocess takes the choice with the largest output.
func (t *SWAG) Postprocess(_ *PairEncoder, ex Example, _ []Features, outputs [][][]float32) (Prediction, error) {
	if len(outputs[0]) != len(ex.Choices) {
		return Prediction{}, fmt.Errorf("%d outputs for %d choices", len(outputs[0]), len(ex.Choices))
	}
	scores := make([]float32, len(ex.Choices))
	for i := range scores {
		scores[i] = outputs[0][i][0]
	}
	p := Prediction{Text: &ex.Choices[numeric.Argmax(scores)]}
	for i, v := range numeric.Softmax(scores) {
		p.Ranking = append(p.Ranking, RankedChoice{Index: i, Text: ex.Choices[i], Score: v})
	}
	slices.SortStableFunc(p.Ranking, func(a, b RankedChoice) int { return cmp.Compare(b.Score, a.Score) })
	return p, nil
}

// Score is 1 for the right choice, else 0.
func (t *SWAG) Score(want Example, got string) float64 { return exactly(want, got) }

// ComputeMetrics is the accuracy.
func (t *SWAG) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	m := Accuracy(examples, predictions)
	return []Metric{{"accuracy", m.Value}}, nil
}

// Guesses are a choice at random, and the choice at the place where most of the right ones are.
func (t *SWAG) Guesses(examples []Example) Guesses { return ChoiceAnswers{}.Guesses(examples) }
