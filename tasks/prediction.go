package tasks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Prediction is what a model says about an example. Which fields are set depends on the task.
type Prediction struct {
	// Label is the most likely class. Labels are all classes that hold, where there may be several, or the tags of
	// Words.
	Label  string   `json:"label,omitempty"`
	Labels []string `json:"labels,omitempty"`
	Words  []string `json:"words,omitempty"`
	// Probabilities are those of the classes, and Values the outputs of a regression, by their names.
	Probabilities map[string]float64 `json:"probabilities,omitempty"`
	Values        map[string]float64 `json:"values,omitempty"`
	Entities      []Entity           `json:"entities,omitempty"`
	// Text is the answer: found in the example, generated, or chosen. Spans are the most likely answers found in it, Ranking the
	// choices, the most likely first.
	Text    *string        `json:"answer,omitempty"`
	Spans   []Span         `json:"spans,omitempty"`
	Ranking []RankedChoice `json:"choices,omitempty"`
	// Tokens are the most likely tokens for each mask.
	Tokens [][]Span `json:"tokens,omitempty"`
	// Vectors are the embeddings of the texts, and Similarity is the cosine of the angle between two of them.
	Vectors    [][]float32 `json:"vectors,omitempty"`
	Similarity *float64    `json:"similarity,omitempty"`
	// Truncated says that the example was too long for the model, and that the prediction is about its beginning.
	Truncated bool `json:"truncated,omitempty"`
	// Choices are the scores of all that could have been chosen, for the metrics that need them.
	Choices []ChoiceScore `json:"-"`
}

// Span is a text and its probability. Start and End are the characters of the text in which it was found.
type Span struct {
	Text        string  `json:"text"`
	Probability float64 `json:"probability"`
	Start       int     `json:"start"`
	End         int     `json:"end"`
}

// RankedChoice is one of several texts to choose from: its number, from 0, and its probability.
type RankedChoice struct {
	Index int     `json:"index"`
	Text  string  `json:"text"`
	Score float64 `json:"score"`
}

// Entity is a name found in a text, and its type.
type Entity struct {
	Type string `json:"type"`
	Span
}

// String is the answer in one line, as it is compared with the reference.
func (p Prediction) String() string {
	switch {
	case p.Text != nil:
		return *p.Text
	case p.Label != "":
		return p.Label
	case p.Values != nil:
		return joinValues(p.Values)
	case p.Similarity != nil:
		return fmt.Sprintf("%.4f", *p.Similarity)
	}
	return strings.Join(p.Labels, " ")
}

// joinValues lists values in the order of their names.
func joinValues(values map[string]float64) string {
	names := slices.Sorted(maps.Keys(values))
	for i, n := range names {
		names[i] = fmt.Sprintf("%.6g", values[n])
	}
	return strings.Join(names, " ")
}

// Report is the prediction as people read it: a line for each class, entity, span, token or vector, the most likely
// first.
func (p Prediction) Report() string {
	var lines []string
	switch {
	case p.Tokens != nil:
		for _, t := range p.Tokens {
			lines = append(lines, reportSpans(t)...)
		}
	case p.Vectors != nil:
		lines = p.reportVectors()
	case p.Spans != nil:
		lines = append([]string{*p.Text}, reportSpans(p.Spans[:min(len(p.Spans), 3)])...)
	case p.Ranking != nil:
		lines = []string{*p.Text}
		for _, c := range p.Ranking[:min(len(p.Ranking), 3)] {
			lines = append(lines, fmt.Sprintf("%.4f\t%s", c.Score, c.Text))
		}
	case p.Probabilities != nil:
		lines = p.reportClasses()
	case p.Entities != nil:
		for _, e := range p.Entities {
			lines = append(lines, fmt.Sprintf("%s\t%s\t%.4f\t%d-%d", e.Type, e.Text, e.Probability, e.Start, e.End))
		}
	default:
		lines = []string{p.String()}
	}
	return strings.Join(lines, "\n")
}

func reportSpans(spans []Span) []string {
	var lines []string
	for _, s := range spans {
		lines = append(lines, fmt.Sprintf("%.4f\t%s", s.Probability, s.Text))
	}
	return lines
}

// reportClasses lists the classes, the most likely first. Where several may hold, those that do are marked.
func (p Prediction) reportClasses() []string {
	names := slices.Collect(maps.Keys(p.Probabilities))
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(p.Probabilities[y], p.Probabilities[x]), cmp.Compare(x, y))
	})
	for i, n := range names {
		mark := ""
		if slices.Contains(p.Labels, n) {
			mark = "\t*"
		}
		names[i] = fmt.Sprintf("%s\t%.4f%s", n, p.Probabilities[n], mark)
	}
	return names
}

func (p Prediction) reportVectors() []string {
	if p.Similarity != nil {
		return []string{fmt.Sprintf("similarity\t%.4f", *p.Similarity)}
	}
	var lines []string
	for _, v := range p.Vectors {
		lines = append(lines, strings.Trim(fmt.Sprint(v), "[]"))
	}
	return lines
}
