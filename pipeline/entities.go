package pipeline

import (
	"fmt"
	"strings"

	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"

	"github.com/spagotune/spagotune/internal/numeric"
)

// The strategies of transformers that Cybertron does not have. Each decides on one label for all tokens of a word: that of
// the first token, that of the mean of the tokens' probabilities, or that of the token with the largest probability.
const (
	AggregationStrategyFirst   tokenclassification.AggregationStrategy = "first"
	AggregationStrategyAverage tokenclassification.AggregationStrategy = "average"
	AggregationStrategyMax     tokenclassification.AggregationStrategy = "max"
)

// decision turns the probabilities of a word's tokens into those of the word. A nil decision leaves tokens alone.
type decision func(word []taggedToken) []float64

var decisions = map[tokenclassification.AggregationStrategy]decision{
	"": nil, tokenclassification.AggregationStrategyNone: nil, tokenclassification.AggregationStrategySimple: nil,
	AggregationStrategyFirst: func(word []taggedToken) []float64 { return word[0].scores },
	AggregationStrategyAverage: func(word []taggedToken) []float64 {
		mean := make([]float64, len(word[0].scores))
		for _, k := range word {
			for i, p := range k.scores {
				mean[i] += p / float64(len(word))
			}
		}
		return mean
	},
	AggregationStrategyMax: func(word []taggedToken) []float64 {
		best := word[0].scores
		for _, k := range word[1:] {
			if k.scores[numeric.Argmax(k.scores)] > best[numeric.Argmax(best)] {
				best = k.scores
			}
		}
		return best
	},
}

// decisionOf returns the decision of a strategy.
func decisionOf(s tokenclassification.AggregationStrategy) (decision, error) {
	d, ok := decisions[s]
	if !ok {
		return nil, fmt.Errorf("aggregation strategy %q is not known; known are %s, %s, %s, %s, %s", s, tokenclassification.AggregationStrategyNone,
			tokenclassification.AggregationStrategySimple, AggregationStrategyFirst, AggregationStrategyAverage, AggregationStrategyMax)
	}
	return d, nil
}

// tagScheme says how labels mark entities.
type tagScheme struct {
	// single and ends are prefixes beside B- and I-: of an entity of one word, and of the last word of one.
	single, ends string
}

// newTagScheme finds the scheme of a head's labels. B- and I- are in all of them (IOB1, IOB2). E- and S- (IOBES), M-, E- and
// S- (BMES), or L- and U- (BILOU) count as prefixes only where the labels have the two that end entities, for labels such as
// E-mail may be names.
func newTagScheme(labels []string) tagScheme {
	has := func(prefix string) bool {
		for _, l := range labels {
			if strings.HasPrefix(l, prefix) {
				return true
			}
		}
		return false
	}
	switch {
	case has("B-") && has("E-") && has("S-"):
		return tagScheme{"S-", "E-"}
	case has("B-") && has("L-") && has("U-"):
		return tagScheme{"U-", "L-"}
	}
	return tagScheme{}
}

// tag is what a label says: the type of the entity, and whether the entity begins or ends here in any case. Label O is
// outside of entities; an entity may have the type O.
type tag struct {
	typ          string
	outside      bool
	begins, ends bool
}

func (s tagScheme) parse(label string) tag {
	if len(label) < 2 || label[1] != '-' {
		return tag{typ: label, outside: label == "O"}
	}
	switch prefix, typ := label[:2], label[2:]; {
	case prefix == "B-":
		return tag{typ: typ, begins: true}
	case prefix == "I-", s.ends == "E-" && prefix == "M-":
		return tag{typ: typ}
	case s.single != "" && prefix == s.single:
		return tag{typ: typ, begins: true, ends: true}
	case s.ends != "" && prefix == s.ends:
		return tag{typ: typ, ends: true}
	}
	return tag{typ: label}
}

// entity is one that is being put together.
type entity struct {
	tag
	start, end int
	sum        float64
	n          int
}

// entities returns the entities of a text. A nil decision groups tokens, another one groups words. An entity is a run of
// tags of one type; a tag that begins one, or is after a tag that ends one, begins a new entity. The score is the mean of
// those of the labels, and label O is none.
func (t taggedText) entities(decide decision, s tagScheme, labels []string) []tokenclassification.Token {
	found := []tokenclassification.Token{}
	var open entity
	finish := func() {
		if open.n > 0 && !open.outside {
			typ := open.typ
			if i := strings.IndexByte(typ, '-'); i >= 0 {
				typ = typ[i+1:]
			}
			found = append(found, tokenclassification.Token{Text: string(t.text[open.start:open.end]), Start: open.start, End: open.end, Label: typ, Score: open.sum / float64(open.n)})
		}
	}
	for _, word := range t.group(decide != nil) {
		scores := word[0].scores
		if decide != nil {
			scores = decide(word)
		}
		best := numeric.Argmax(scores)
		tag := s.parse(labels[best])
		if open.n == 0 || tag.begins || open.ends || tag.outside != open.outside || tag.typ != open.typ {
			finish()
			open = entity{start: word[0].start}
		}
		open.tag, open.end = tag, word[len(word)-1].end
		open.sum += scores[best]
		open.n++
	}
	finish()
	return found
}

// group returns the words of a text, or its tokens each by itself.
func (t taggedText) group(words bool) [][]taggedToken {
	var all [][]taggedToken
	for i, k := range t.tokens {
		if words && k.subword && len(all) > 0 {
			last := len(all) - 1
			all[last] = append(all[last], k)
			continue
		}
		all = append(all, t.tokens[i:i+1:i+1])
	}
	return all
}
