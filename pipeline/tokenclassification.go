package pipeline

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// TokenClassifier is Cybertron's token classification over a host.
type TokenClassifier struct {
	runner *runner
	pieces bool // the vocabulary marks tokens that continue a word with ##
}

var _ tokenclassification.Interface = (*TokenClassifier)(nil)

// NewTokenClassifier makes one of a model with a head for token classification.
func NewTokenClassifier(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TokenClassifier, error) {
	h, err := newRunner("token classification", m, tok, o, head.TokenClassification)
	if err != nil {
		return nil, err
	}
	c := &TokenClassifier{runner: h}
	for id := range int32(m.Config().VocabSize) {
		if s, ok := tok.Token(id); ok && strings.HasPrefix(s, continues) && s != continues {
			c.pieces = true
			break
		}
	}
	return c, nil
}

// continues begins the WordPiece tokens that are no word's first.
const continues = "##"

// Classify returns the words of a text, each with the label of its first token and that label's probability, or with
// AggregationStrategySimple the entities. Start and End are characters, End excluded.
func (c *TokenClassifier) Classify(ctx context.Context, text string, p tokenclassification.Parameters) (tokenclassification.Response, error) {
	all, err := c.ClassifyAll(ctx, []string{text}, p)
	if err != nil {
		return tokenclassification.Response{}, err
	}
	return all[0], nil
}

// ClassifyAll classifies the words of many texts at once.
func (c *TokenClassifier) ClassifyAll(ctx context.Context, texts []string, p tokenclassification.Parameters) ([]tokenclassification.Response, error) {
	all, err := c.classify(ctx, texts, p)
	if err != nil {
		return nil, fmt.Errorf("pipeline: token classification: %w", err)
	}
	return all, nil
}

func (c *TokenClassifier) classify(ctx context.Context, texts []string, p tokenclassification.Parameters) ([]tokenclassification.Response, error) {
	simple := p.AggregationStrategy == tokenclassification.AggregationStrategySimple
	if s := p.AggregationStrategy; !simple && s != tokenclassification.AggregationStrategyNone && s != "" {
		return nil, fmt.Errorf("aggregation strategy %q is not known; known are %s, %s", s,
			tokenclassification.AggregationStrategyNone, tokenclassification.AggregationStrategySimple)
	}
	docs, err := c.runner.encodeAll(texts, tokenclassification.ErrInputSequenceTooLong)
	if err != nil {
		return nil, err
	}
	all := make([]tokenclassification.Response, len(texts))
	err = c.runner.each(ctx, docs, c.runner.head(perToken), func(d int, y tensor.Matrix) {
		tokens := c.words([]rune(texts[d]), docs[d], y)
		if simple {
			tokens = tokenclassification.FilterNotEntities(tokenclassification.Aggregate(tokens))
		}
		all[d].Tokens = tokens
	})
	return all, err
}

// words are the words of a text with the labels of their first tokens.
func (c *TokenClassifier) words(text []rune, e tokenizer.Encoding, y tensor.Matrix) []tokenclassification.Token {
	words := []tokenclassification.Token{}
	for i, at := range e.Offsets {
		if at[0] >= at[1] || at[1] > len(text) { // the model's own tokens
			continue
		}
		if n := len(words); n > 0 && c.goesOn(text, e.Tokens[i], words[n-1].End, at[0]) {
			words[n-1].End = at[1]
			continue
		}
		p := numeric.Softmax(y.Row(i))
		best := numeric.Argmax(p)
		words = append(words, tokenclassification.Token{Start: at[0], End: at[1], Label: c.runner.Head().Labels[best], Score: p[best]})
	}
	for i, w := range words {
		words[i].Text = string(text[w.Start:w.End])
	}
	return words
}

// goesOn says whether a token continues the word that ends at a character: as it is marked in a vocabulary of WordPiece,
// else where a letter or digit follows another.
func (c *TokenClassifier) goesOn(text []rune, token string, end, start int) bool {
	if c.pieces {
		return strings.HasPrefix(token, continues)
	}
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	return start == end && part(text[end-1]) && part(text[start]) || start < end
}
