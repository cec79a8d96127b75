package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("tokens", func() Task {
		t := &Tokens{TaggedColumns: newTaggedColumns()}
		t.Files = NewFiles(t.read)
		return t
	})
}

// Tokens tags words, for example to find names. Files have CoNLL columns, or records {"tokens", "tags"} in JSON Lines.
// The label of a word is that of its first token; its other tokens are not scored.
type Tokens struct {
	Files
	TaggedColumns
	// Labels are the tags in the order of their ids. The default is those of the training data, sorted.
	Labels []string `json:"labels"`
	// ClassWeights are how much each tag counts in the loss: "balanced", or weights by tag.
	ClassWeights *ClassWeights `json:"class_weights,omitempty"`

	head *classHead // by Head; nil before
}

var _ interface {
	Postprocessor
	Metrics
	PromptBuilder
	Checker
	DataChecker
	Describer
} = (*Tokens)(nil)

// Describe says what the task is.
func (t *Tokens) Describe() string {
	return "tags of words, such as names (CoNLL columns, JSONL); score: F1 of entities as conlleval has it"
}

// Check returns an error if an option is empty, or a label comes twice.
func (t *Tokens) Check() error { return firstError(t.TaggedColumns.Check(), checkLabels(t.Labels)) }

// Examples yields the sentences of a split.
func (t *Tokens) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, t.parse) }

func (t *Tokens) parse(r data.Record) (Example, error) {
	words, tags, err := t.sentence(r)
	if err != nil {
		return Example{}, err
	}
	in := Input{Text: strings.Join(words, " "), Labels: tags}
	at := 0
	for _, w := range words {
		in.Words = append(in.Words, [2]int{at, at + len(w)})
		at += len(w) + 1
	}
	return Example{Input: in, Reference: in.reference(), Prompt: in.Text}, nil
}

// HeadKind is that of a classifier of tokens.
func (t *Tokens) HeadKind() head.Kind { return head.TokenClassification }

// Head decides on the tags: those of the trained head, or of the option labels, or of the data.
func (t *Tokens) Head(trained head.Config) (head.Config, error) {
	if trained.Kind == "" && t.head != nil {
		return t.head.Config, nil
	}
	decided, err := t.decide(trained)
	if err != nil {
		return decided, err
	}
	h := newClassHead(decided)
	if t.given() {
		if h.weights, err = t.ClassWeights.of(h, t.Examples(t.dataSplit())); err != nil {
			return decided, err
		}
	}
	t.head = h
	return decided, nil
}

func (t *Tokens) decide(trained head.Config) (head.Config, error) {
	own := head.Config{Kind: head.TokenClassification, Labels: t.Labels}
	if trained.Kind == own.Kind {
		if len(t.Labels) > 0 && !slices.Equal(t.Labels, trained.Labels) {
			return own, fmt.Errorf("option labels is %s, the model's head has %s", strings.Join(t.Labels, ", "), strings.Join(trained.Labels, ", "))
		}
		own.Labels = trained.Labels
		if t.given() {
			if err := newClassHead(own).accepts(t.Examples(t.dataSplit())); err != nil {
				return own, err
			}
		}
	}
	if len(own.Labels) == 0 {
		var err error
		if own.Labels, err = labelsOf(t.ofData(t.Examples)); err != nil {
			return own, err
		}
	}
	if len(own.Labels) < 2 {
		return own, fmt.Errorf("%s has %d tags; want two or more", t.firstFile(), len(own.Labels))
	}
	return own, nil
}

// Encode makes a row of a sentence, or several that overlap where it is too long for one. Each word has its label in one row.
func (t *Tokens) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	if t.head == nil {
		return nil, false, ErrNoHead
	}
	windows, err := texts.WordRows(ex.Input.Text, ex.Input.Words)
	if err != nil {
		return nil, false, err
	}
	var rows []Features
	last := int32(-1)
	for _, window := range windows {
		row, before := window.Features, last
		for _, w := range row.WordIDs {
			label := int32(head.IgnoreIndex)
			if w > last && ex.Input.Labels != nil {
				if label, err = t.head.id(ex.Input.Labels[w]); err != nil {
					return nil, false, err
				}
			}
			last = max(last, w)
			row.Labels = append(row.Labels, label)
		}
		t.head.weigh(&row)
		if last > before || ex.Input.Labels == nil { // a word begins in the window
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil, false, fmt.Errorf("%w: no word of the sentence has one", ErrNotScored)
	}
	return rows, false, nil
}

// Postprocess is a tag for every word. Words without a token have the tag "O".
func (t *Tokens) Postprocess(_ *PairEncoder, ex Example, rows []Features, outputs [][][]float32) (Prediction, error) {
	if t.head == nil {
		return Prediction{}, ErrNoHead
	}
	p := Prediction{Labels: make([]string, len(ex.Input.Words))}
	certainty := make([]float64, len(ex.Input.Words))
	for i, w := range ex.Input.Words {
		p.Labels[i] = "O"
		p.Words = append(p.Words, ex.Input.Text[w[0]:w[1]])
	}
	last := int32(-1)
	for r, row := range rows {
		for i, w := range row.WordIDs {
			if w <= last {
				continue
			}
			last = w
			probability := probabilities(outputs[r][i])
			if len(probability) != len(t.head.Labels) {
				return p, fmt.Errorf("the head has %d outputs, want %d", len(probability), len(t.head.Labels))
			}
			best := numeric.Argmax(probability)
			p.Labels[w], certainty[w] = t.head.Labels[best], float64(probability[best])
		}
	}
	p.Entities = entities(ex.Input, p.Labels, certainty)
	return p, nil
}

// entities are the names that tags mark; tags that follow no scheme of entities mark none. The probability of a name is
// the mean of those of its words.
func entities(in Input, tags []string, probability []float64) []Entity {
	found, err := metric.FindEntities(tags)
	if err != nil {
		return nil
	}
	var all []Entity
	for _, f := range found {
		from, to := in.Words[f.Start][0], in.Words[f.End-1][1]
		e := Entity{Type: f.Type, Span: Span{Text: in.Text[from:to], Start: characters(in.Text, from), End: characters(in.Text, to)}}
		for _, p := range probability[f.Start:f.End] {
			e.Probability += p / float64(f.End-f.Start)
		}
		all = append(all, e)
	}
	return all
}

// BuildPrompt takes a text and splits it into words: at white space, with punctuation at the ends of words as words of
// their own.
func (t *Tokens) BuildPrompt(text, pair string) (Example, error) {
	if pair != "" {
		return Example{}, errors.New("the task tokens takes one text")
	}
	return Example{Input: Input{Text: text, Words: splitWords(text)}, Prompt: text}, nil
}

// Score is the share of tags that are right.
func (t *Tokens) Score(want Example, got string) float64 {
	tags := strings.Fields(got)
	right := 0
	for i, l := range want.Input.Labels {
		right += b2i(i < len(tags) && tags[i] == l)
	}
	return float64(right) / float64(max(1, len(want.Input.Labels)))
}

// ComputeMetrics is the F1, precision and recall of entities, and the share of words whose tag is right. Where the tags
// follow no scheme of entities, it is that share alone.
func (t *Tokens) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	if t.head == nil {
		return nil, ErrNoHead
	}
	var predicted, gold [][]string
	right, words := 0, 0
	for i, ex := range examples {
		want := make([]string, len(ex.Input.Labels))
		for j, l := range ex.Input.Labels {
			id, err := t.head.id(l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ex.Source, err)
			}
			want[j] = t.head.Labels[id]
			right += b2i(predictions[i].Labels[j] == want[j])
		}
		words += len(want)
		predicted, gold = append(predicted, predictions[i].Labels), append(gold, want)
	}
	accuracy := Metric{"accuracy", float64(right) / float64(max(1, words))}
	if _, err := metric.FindEntities(t.head.Labels); err != nil {
		return []Metric{accuracy}, nil
	}
	s, err := metric.Entities(predicted, gold)
	if err != nil {
		return nil, err
	}
	return []Metric{{"f1", s.Micro.F1()}, {"precision", s.Micro.Precision()}, {"recall", s.Micro.Recall()}, accuracy}, nil
}
