package tasks

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("ner", func() Task { return &NER{Files: Files{EvalSize: autoSize, as: data.ReadTagged}, MaxNewTokens: 128} })
}

// NER is named entities as text: a sentence of CoNLL's columns, and behind "List the entities:" the answer
// "Name (PER), Other (ORG)" in the sentence's order, or "none". An answer scores its own F1; the score
// is that of all answers together, over pairs of name and type. Worked examples are by turns sentences with entities and without.
type NER struct {
	Files
	// Worked has the option shots; BloombergGPT and AdaptLLM show 20.
	FewShot
	// MaxNewTokens ends an answer that does not end its line before.
	MaxNewTokens int `json:"max_new_tokens"`
}

var (
	_ Generator    = (*NER)(nil)
	_ Metrics      = (*NER)(nil)
	_ AnswerParser = (*NER)(nil)
	_ Checker      = (*NER)(nil)
	_ Describer    = (*NER)(nil)
)

// noEntity is the answer where there is none.
const noEntity = "none"

// Describe says what the task is.
func (t *NER) Describe() string {
	return "named entities, listed as text; score: F1 over names and types"
}

// Check refuses options that make no sense together.
func (t *NER) Check() error {
	if t.MaxNewTokens < 1 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more", t.MaxNewTokens)
	}
	return oneOf(t.Files.Check(), t.FewShot.check())
}

// Examples yields the sentences of a split.
func (t *NER) Examples(split Split) iter.Seq2[Example, error] {
	return t.withShots(split, t.Shots, parseNER)
}

func parseNER(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	tokens, err1 := o.List("tokens")
	tags, err2 := o.List("tags")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	if len(tokens) != len(tags) {
		return Example{}, fmt.Errorf("%d tokens and %d tags, want a tag each", len(tokens), len(tags))
	}
	entities, err := entitiesOf(tokens, tags)
	if err != nil {
		return Example{}, err
	}
	want, kind := noEntity, noEntity
	if len(entities) > 0 {
		want, kind = strings.Join(entities, ", "), ""
	}
	prompt := strings.Join(tokens, " ") + "\nList the entities:"
	return Example{Segments: response(prompt, " "+want), Prompt: prompt, Reference: " " + want, kind: kind}, nil
}

// entitiesOf are the entities of a sentence, each "Name (TYPE)": runs of I-TYPE, broken by B-TYPE (IOB1 and IOB2).
func entitiesOf(tokens, tags []string) ([]string, error) {
	var all []string
	var name []string
	open := ""
	end := func() {
		if open != "" {
			all = append(all, strings.Join(name, " ")+" ("+open+")")
		}
		name, open = nil, ""
	}
	for i, tag := range tags {
		kind, typ, _ := strings.Cut(tag, "-")
		if tag != "O" && (kind != "I" && kind != "B" || typ == "") {
			return nil, fmt.Errorf("tag %q of %q, want O, I-TYPE or B-TYPE", tag, tokens[i])
		}
		if kind != "I" || typ != open {
			end()
		}
		if tag != "O" {
			name, open = append(name, tokens[i]), typ
		}
	}
	end()
	return all, nil
}

// Generation ends an answer with its line.
func (t *NER) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"\n"}}
}

// entityType is what ends an entity in an answer.
var entityType = regexp.MustCompile(`\(([A-Z][A-Z_]*)\)`)

// listed are the entities that an answer names: what stands before each "(TYPE)", up to the one before.
func listed(answer string) []string {
	var all []string
	from := 0
	for _, m := range entityType.FindAllStringIndex(answer, -1) {
		name := strings.Join(strings.Fields(strings.TrimLeft(answer[from:m[0]], ", ")), " ")
		if name != "" {
			all = append(all, name+" "+answer[m[0]:m[1]])
		}
		from = m[1]
	}
	return all
}

// compare counts the entities of an answer, each as often as it is there.
func compare(want, got string) metric.PRF {
	gold, said := listed(want), listed(got)
	c := metric.PRF{Predicted: len(said), Gold: len(gold)}
	for _, e := range said {
		if i := slices.Index(gold, e); i >= 0 {
			c.Correct++
			gold = slices.Delete(gold, i, i+1)
		}
	}
	return c
}

// Score is the answer's F1; where there is no entity, 1 for an answer that names none.
func (t *NER) Score(want Example, got string) float64 {
	c := compare(want.Reference, got)
	if c.Gold == 0 && c.Predicted == 0 && strings.TrimSpace(got) != "" {
		return 1
	}
	return c.F1()
}

// ParseAnswer is the entities that are read from an answer.
func (t *NER) ParseAnswer(_ Example, got string) string { return strings.Join(listed(got), ", ") }

// ComputeMetrics is F1, precision and recall over all entities.
func (t *NER) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	var sum metric.PRF
	for i, ex := range examples {
		c := compare(ex.Reference, answers[i].String())
		sum = metric.PRF{Correct: sum.Correct + c.Correct, Predicted: sum.Predicted + c.Predicted, Gold: sum.Gold + c.Gold}
	}
	return []Metric{{"f1", sum.F1()}, {"precision", sum.Precision()}, {"recall", sum.Recall()}}, nil
}
