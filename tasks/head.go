package tasks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
)

// HeadTask is a task for another head than a causal language model's.
type HeadTask interface {
	Task
	// Head chooses it. trained is the head that the model has already, if any: its labels are kept, and an error says
	// which of the data's is not among them. Without it the head is the one chosen before, or for the first time one with
	// the labels of the training data.
	Head(trained head.Config) (head.Config, error)
}

// HeadOf is the head that a task wants on a model that has the other one, or none.
func HeadOf(task Task, trained head.Config) (head.Config, error) {
	if h, ok := task.(HeadTask); ok {
		return h.Head(trained)
	}
	return head.Config{Kind: head.CausalLM}, nil
}

// Encoder is a task that makes the rows of an example itself.
type Encoder interface {
	// Encode makes them; truncated says that they lack some of the example. Examples that give none are an ErrNotScored.
	Encode(t *PairEncoder, ex Example) (rows []Features, truncated bool, err error)
}

// Postprocessor is a task whose answers are read off the outputs of the model's head.
type Postprocessor interface {
	HeadTask
	Encoder
	// Postprocess is what the outputs of an example's rows come to: a row has a list of outputs for each of its tokens, or for
	// sequence classification a single one, and for sentence embeddings one for each of its texts.
	Postprocess(t *PairEncoder, ex Example, rows []Features, outputs [][][]float32) (Prediction, error)
}

// Metrics is a task with figures, such as F1, that are of all answers together. The first one is the task's score.
type Metrics interface {
	// ComputeMetrics takes an answer to every example; one that was generated or chosen is the Text of it.
	ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error)
}

// Metric is a named figure.
type Metric struct {
	Name  string
	Value float64
}

// Collator is a task whose rows are drawn anew whenever they are trained on.
type Collator interface {
	// Collate is a row as the seed makes it; the row itself stays as it is.
	Collate(t *PairEncoder, row Features, seed uint64) Features
}

// PromptBuilder is a task that takes a question of somebody who has no answer: one text, or two.
type PromptBuilder interface {
	HeadTask
	BuildPrompt(text, pair string) (Example, error)
}

// Prediction is what a model says of an example. Which fields it has depends on the task.
type Prediction struct {
	// Label is the likeliest class; Labels are all that hold, where several may, or those of Words.
	Label  string   `json:"label,omitempty"`
	Labels []string `json:"labels,omitempty"`
	Words  []string `json:"words,omitempty"`
	// Probabilities are those of the classes, Values a regression's outputs.
	Probabilities map[string]float64 `json:"probabilities,omitempty"`
	Values        map[string]float64 `json:"values,omitempty"`
	Entities      []Entity           `json:"entities,omitempty"`
	// Text is an answer found in the example, or generated; Spans are the likeliest ones found.
	Text  *string `json:"answer,omitempty"`
	Spans []Span  `json:"spans,omitempty"`
	// Tokens are the likeliest ones in the place of each mask.
	Tokens [][]Span `json:"tokens,omitempty"`
	// Vectors are the texts' embeddings, Similarity the cosine of two.
	Vectors    [][]float32 `json:"vectors,omitempty"`
	Similarity *float64    `json:"similarity,omitempty"`
}

// Span is a text with its probability; Start and End count its characters in the text that it was found in.
type Span struct {
	Text        string  `json:"text"`
	Probability float64 `json:"probability"`
	Start       int     `json:"start"`
	End         int     `json:"end"`
}

// Entity is a name found in a text.
type Entity struct {
	Type string `json:"type"`
	Span
}

// String is the answer in a line, as it is compared with what is wanted.
func (a Prediction) String() string {
	switch {
	case a.Text != nil:
		return *a.Text
	case a.Label != "":
		return a.Label
	case a.Values != nil:
		return joinValues(a.Values)
	case a.Similarity != nil:
		return fmt.Sprintf("%.4f", *a.Similarity)
	}
	return strings.Join(a.Labels, " ")
}

// joinValues lists values by the order of their names.
func joinValues(values map[string]float64) string {
	var names []string
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = fmt.Sprintf("%.6g", values[n])
	}
	return strings.Join(names, " ")
}

// Report is the answer as people read it: a line for each class, name, span, token or vector, the likeliest first.
func (a Prediction) Report() string {
	var lines []string
	switch {
	case a.Tokens != nil:
		for _, t := range a.Tokens {
			lines = append(lines, reportSpans(t)...)
		}
	case a.Vectors != nil:
		lines = a.reportVectors()
	case a.Spans != nil:
		lines = append([]string{*a.Text}, reportSpans(a.Spans[:min(len(a.Spans), 3)])...)
	case a.Probabilities != nil:
		lines = a.reportClasses()
	case a.Entities != nil:
		for _, e := range a.Entities {
			lines = append(lines, fmt.Sprintf("%s\t%s\t%.4f\t%d-%d", e.Type, e.Text, e.Probability, e.Start, e.End))
		}
	default:
		lines = []string{a.String()}
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

// reportClasses lists the classes, the likeliest first; those that hold beside others are marked.
func (a Prediction) reportClasses() []string {
	names := slices.Collect(maps.Keys(a.Probabilities))
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(a.Probabilities[y], a.Probabilities[x]), cmp.Compare(x, y))
	})
	for i, n := range names {
		mark := ""
		if slices.Contains(a.Labels, n) {
			mark = "\t*"
		}
		names[i] = fmt.Sprintf("%s\t%.4f%s", n, a.Probabilities[n], mark)
	}
	return names
}

func (a Prediction) reportVectors() []string {
	if a.Similarity != nil {
		return []string{fmt.Sprintf("similarity\t%.4f", *a.Similarity)}
	}
	var lines []string
	for _, v := range a.Vectors {
		lines = append(lines, strings.Trim(fmt.Sprint(v), "[]"))
	}
	return lines
}
