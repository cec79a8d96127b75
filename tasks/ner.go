package tasks

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("ner", func() Task {
		t := &NER{TaggedColumns: newTaggedColumns(), MaxNewTokens: 128}
		t.FewShot = NewFewShot(t.read)
		return t
	})
}

// NER is named entities as text: the sentence of a file in CoNLL columns, then "List the entities:", and as the answer
// "Name (PER), Other (ORG)" in the order of the sentence, or "none". The score of one answer is its F1. The score of
// all answers together is the F1 over pairs of name and type. Worked examples are in turn sentences with entities and
// sentences without; BloombergGPT and AdaptLLM show 20. Records in JSON Lines are {"tokens", "tags"}.
type NER struct {
	FewShot
	TaggedColumns
	// MaxNewTokens is the most tokens of an answer, which also ends with its line.
	MaxNewTokens int `json:"max_new_tokens" affects:"answers"`
}

var _ interface {
	Generator
	Metrics
	AnswerParser
	Checker
	DataChecker
	Describer
} = (*NER)(nil)

// noEntity is the answer where there is no entity.
const noEntity = "none"

// Describe says what the task is.
func (t *NER) Describe() string {
	return "named entities, listed as text; score: F1 over names and types"
}

// Check returns an error if an option is out of range.
func (t *NER) Check() error {
	return firstError(checkMaxNewTokens(t.MaxNewTokens), t.FewShot.Check(), t.TaggedColumns.Check())
}

// Examples yields the sentences of a split.
func (t *NER) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, t.parse) }

func (t *NER) parse(r data.Record) (Example, error) {
	tokens, tags, err := t.sentence(r)
	if err != nil {
		return Example{}, err
	}
	entities, err := entitiesOf(tokens, tags)
	if err != nil {
		return Example{}, err
	}
	answer, class := noEntity, noEntity
	if len(entities) > 0 {
		answer, class = strings.Join(entities, ", "), "entities"
	}
	ex := Answered(strings.Join(tokens, " ")+"\nList the entities:", " "+answer)
	ex.Class = class
	return ex, nil
}

// entitiesOf lists the entities of a sentence as "Name (TYPE)".
func entitiesOf(tokens, tags []string) ([]string, error) {
	for i, tag := range tags {
		if found, err := metric.FindEntities([]string{tag}); err != nil || len(found) > 0 && !strings.Contains(tag, "-") {
			return nil, fmt.Errorf("tag %q of %q, want O, I-TYPE or B-TYPE, or the letters of BMES or BILOU with a type", tag, tokens[i])
		}
	}
	found, err := metric.FindEntities(tags)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range found {
		all = append(all, strings.Join(tokens[e.Start:e.End], " ")+" ("+e.Type+")")
	}
	return all, nil
}

// Generation ends an answer with its line.
func (t *NER) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"\n"}}
}

// entityType ends an entity in an answer: a type in capitals, or another one before a comma or at the end.
var entityType = regexp.MustCompile(`(\([A-Z][A-Z_]*\))|(\([^()\s]+\))\s*(?:,|$)`)

// listed are the entities that an answer names: the text before each "(TYPE)", and the type.
func listed(answer string) []string {
	var all []string
	from := 0
	for _, m := range entityType.FindAllStringSubmatchIndex(answer, -1) {
		end := max(m[3], m[5])
		name := strings.Join(strings.Fields(strings.TrimLeft(answer[from:m[0]], ", ")), " ")
		if name != "" {
			all = append(all, name+" "+answer[m[0]:end])
		}
		from = end
	}
	return all
}

// compare counts the entities of an answer that are right. An entity counts as often as the reference has it.
func compare(want, got string) metric.PRF {
	gold, predicted := listed(want), listed(got)
	c := metric.PRF{Predicted: len(predicted), Gold: len(gold)}
	for _, e := range predicted {
		if i := slices.Index(gold, e); i >= 0 {
			c.Correct++
			gold = slices.Delete(gold, i, i+1)
		}
	}
	return c
}

// Score is the F1 of the answer. Where there is no entity, it is 1 for an answer that names none.
func (t *NER) Score(want Example, got string) float64 {
	c := compare(want.Reference, got)
	if c.Gold == 0 && c.Predicted == 0 && strings.TrimSpace(got) != "" {
		return 1
	}
	return c.F1()
}

// ParseAnswer is the entities that an answer names.
func (t *NER) ParseAnswer(_ Example, got string) string { return strings.Join(listed(got), ", ") }

// ComputeMetrics is F1, precision and recall over the entities of all answers.
func (t *NER) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	var sum metric.PRF
	for i, ex := range examples {
		c := compare(ex.Reference, predictions[i].String())
		sum = metric.PRF{Correct: sum.Correct + c.Correct, Predicted: sum.Predicted + c.Predicted, Gold: sum.Gold + c.Gold}
	}
	return []Metric{{"f1", sum.F1()}, {"precision", sum.Precision()}, {"recall", sum.Recall()}}, nil
}
