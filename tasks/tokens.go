package tasks

import (
	"encoding/json"
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
		return &Tokens{Files: Files{EvalSize: autoSize, as: data.ReadTagged}, WordsField: "tokens", TagsField: "tags"}
	})
}

// Tokens is the tagging of words, such as the search for names: files in CoNLL's columns, or records {"tokens", "tags"}
// in JSON Lines. A word's label is that of its first token; the others are not scored.
type Tokens struct {
	Files
	// WordsField and TagsField are the fields of a JSON record.
	WordsField string `json:"words_field"`
	TagsField  string `json:"tags_field"`
	// Labels are the tags in the order of their ids; by default those of the training data, sorted.
	Labels []string `json:"labels"`

	head head.Config
	set  labelSet
}

var (
	_ HeadTask      = (*Tokens)(nil)
	_ Postprocessor = (*Tokens)(nil)
	_ Metrics       = (*Tokens)(nil)
	_ PromptBuilder = (*Tokens)(nil)
	_ Checker       = (*Tokens)(nil)
	_ Describer     = (*Tokens)(nil)
)

// Describe says what the task is.
func (t *Tokens) Describe() string {
	return "tags of words, such as names (CoNLL columns, JSONL); score: F1 of entities as conlleval has it"
}

// Check refuses options that make no sense together.
func (t *Tokens) Check() error { return oneOf(t.checkOwn(), t.Files.Check()) }

func (t *Tokens) checkOwn() error {
	if t.WordsField == "" || t.TagsField == "" {
		return errors.New("options words_field and tags_field name fields; they may not be empty")
	}
	return checkLabels(t.Labels)
}

// Examples yields the sentences of a split.
func (t *Tokens) Examples(split Split) iter.Seq2[Example, error] { return t.examples(split, t.parse) }

func (t *Tokens) parse(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	words, tags := t.WordsField, t.TagsField
	if o.Has("tokens", "tags") {
		words, tags = "tokens", "tags"
	}
	var list []string
	raw, ok := o[words]
	if !ok {
		return Example{}, fmt.Errorf("field %q is missing; the record has %s", words, o.Names())
	}
	if json.Unmarshal(raw, &list) != nil {
		return Example{}, fmt.Errorf("field %q is %s, want a list of words", words, data.KindOf(raw))
	}
	labels, err := o.Labels(tags)
	if err != nil {
		return Example{}, err
	}
	if len(labels) != len(list) || len(list) == 0 {
		return Example{}, fmt.Errorf("%d words and %d tags; want as many, and one or more", len(list), len(labels))
	}
	in := Input{Text: strings.Join(list, " "), Labels: labels}
	at := 0
	for _, w := range list {
		in.Words = append(in.Words, [2]int{at, at + len(w)})
		at += len(w) + 1
	}
	return Example{Input: in, Reference: strings.Join(labels, " "), Prompt: in.Text}, nil
}

// Head chooses the tags.
func (t *Tokens) Head(trained head.Config) (head.Config, error) {
	if trained.Kind == "" && t.head.Kind != "" {
		return t.head, nil
	}
	own := head.Config{Kind: head.TokenClassification, Labels: t.Labels}
	if trained.Kind == own.Kind {
		if len(t.Labels) > 0 && !slices.Equal(t.Labels, trained.Labels) {
			return own, fmt.Errorf("option labels is %s, the model's head has %s", strings.Join(t.Labels, ", "), strings.Join(trained.Labels, ", "))
		}
		own.Labels = trained.Labels
		if len(t.Data)+len(t.EvalData)+len(t.TestData) > 0 {
			if err := newLabelSet(own.Labels).checkAgainst(t, dataSplit(len(t.Data) > 0)); err != nil {
				return own, err
			}
		}
	}
	if len(own.Labels) == 0 {
		var err error
		if own.Labels, err = labelsIn(t, len(t.Data) > 0); err != nil {
			return own, err
		}
	}
	if len(own.Labels) < 2 {
		return own, fmt.Errorf("%s has %d tags; want two or more", t.firstFile(), len(own.Labels))
	}
	t.head, t.set = own, newLabelSet(own.Labels)
	return own, nil
}

// Encode makes one of a sentence.
func (t *Tokens) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	row, truncated, err := texts.WordRow(ex.Input.Text, ex.Input.Words)
	if err != nil {
		return nil, false, err
	}
	last, scored := int32(-1), false
	for _, w := range row.WordIDs {
		label := int32(head.IgnoreIndex)
		if w >= 0 && w != last && ex.Input.Labels != nil {
			if label, err = t.set.id(ex.Input.Labels[w]); err != nil {
				return nil, false, err
			}
			scored = true
		}
		last = max(last, w)
		row.Labels = append(row.Labels, label)
	}
	if !scored && ex.Input.Labels != nil {
		return nil, false, fmt.Errorf("%w: no word of the sentence has one", ErrNotScored)
	}
	return []Features{row}, truncated, nil
}

// Postprocess is a tag for every word; words without a token, or behind the end of the row, are "O".
func (t *Tokens) Postprocess(_ *PairEncoder, ex Example, rows []Features, outputs [][][]float32) (Prediction, error) {
	a := Prediction{Labels: make([]string, len(ex.Input.Words))}
	chance := make([]float64, len(ex.Input.Words))
	for i, w := range ex.Input.Words {
		a.Labels[i] = "O"
		a.Words = append(a.Words, ex.Input.Text[w[0]:w[1]])
	}
	last := int32(-1)
	for i, w := range rows[0].WordIDs {
		if w <= last {
			continue
		}
		last = w
		p := probabilities(outputs[0][i])
		if len(p) != len(t.head.Labels) {
			return a, fmt.Errorf("the head has %d outputs, want %d", len(p), len(t.head.Labels))
		}
		best := numeric.Argmax(p)
		a.Labels[w], chance[w] = t.head.Labels[best], float64(p[best])
	}
	a.Entities = entities(ex.Input, a.Labels, chance)
	return a, nil
}

// entities are the names that tags mark; tags of another scheme mark none. A name's probability is its words' mean.
func entities(in Input, tags []string, chance []float64) []Entity {
	found, err := metric.FindEntities(tags)
	if err != nil {
		return nil
	}
	var all []Entity
	for _, f := range found {
		from, to := in.Words[f.Start][0], in.Words[f.End-1][1]
		e := Entity{Type: f.Type, Span: Span{Text: in.Text[from:to], Start: characters(in.Text, from), End: characters(in.Text, to)}}
		for _, p := range chance[f.Start:f.End] {
			e.Probability += p / float64(f.End-f.Start)
		}
		all = append(all, e)
	}
	return all
}

// BuildPrompt takes a text, whose words are what stands between white space, punctuation at their ends apart.
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

// ComputeMetrics is the F1 of entities, with precision and recall, and the share of words whose tag is right; tags of no scheme of
// entities have that last one alone.
func (t *Tokens) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	var predicted, gold [][]string
	right, words := 0, 0
	for i, ex := range examples {
		want := make([]string, len(ex.Input.Labels))
		for j, l := range ex.Input.Labels {
			id, err := t.set.id(l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ex.Source, err)
			}
			want[j] = t.head.Labels[id]
			right += b2i(answers[i].Labels[j] == want[j])
		}
		words += len(want)
		predicted, gold = append(predicted, answers[i].Labels), append(gold, want)
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
