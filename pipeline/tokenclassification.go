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

// TokenClassifier implements Cybertron's token classification.
type TokenClassifier struct {
	runner    *runner
	wordPiece bool // the vocabulary marks tokens that continue a word with ##
}

var _ tokenclassification.Interface = (*TokenClassifier)(nil)

// NewTokenClassifier returns a pipeline for a model with a head for token classification.
func NewTokenClassifier(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TokenClassifier, error) {
	h, err := newRunner("token classification", m, tok, o, head.TokenClassification)
	if err != nil {
		return nil, err
	}
	c := &TokenClassifier{runner: h}
	for id := range int32(m.Config().VocabSize) {
		if s, ok := tok.Token(id); ok && strings.HasPrefix(s, continuationPrefix) && s != continuationPrefix {
			c.wordPiece = true
			break
		}
	}
	return c, nil
}

// continuationPrefix begins WordPiece tokens that are not the first of a word.
const continuationPrefix = "##"

// Classify returns the words of a text, each with the label of its first token and the label's probability. With
// AggregationStrategySimple it returns the entities. Start and End count characters; End is exclusive.
func (c *TokenClassifier) Classify(ctx context.Context, text string, p tokenclassification.Parameters) (tokenclassification.Response, error) {
	all, err := c.ClassifyAll(ctx, []string{text}, p)
	if err != nil {
		return tokenclassification.Response{}, err
	}
	return all[0], nil
}

// ClassifyAll is Classify for several texts at once.
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
	encodings, err := c.runner.encodeAll(texts, tokenclassification.ErrInputSequenceTooLong)
	if err != nil {
		return nil, err
	}
	all := make([]tokenclassification.Response, len(texts))
	err = c.runner.each(ctx, encodings, c.runner.headOutputs(tokenRows), func(i int, y tensor.Matrix) {
		tokens := c.words([]rune(texts[i]), encodings[i], y)
		if simple {
			tokens = tokenclassification.FilterNotEntities(tokenclassification.Aggregate(tokens))
		}
		all[i].Tokens = tokens
	})
	return all, err
}

// words returns the words of a text with the labels of their first tokens.
func (c *TokenClassifier) words(text []rune, e tokenizer.Encoding, y tensor.Matrix) []tokenclassification.Token {
	words := []tokenclassification.Token{}
	for i, at := range e.Offsets {
		if at[0] >= at[1] || at[1] > len(text) { // a special token
			continue
		}
		if n := len(words); n > 0 && c.continuesWord(text, e.Tokens[i], words[n-1].End, at[0]) {
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

// continuesWord reports whether a token that begins at start continues the word that ends at end. WordPiece marks such
// tokens with a prefix; otherwise a letter or digit that directly follows another continues the word.
func (c *TokenClassifier) continuesWord(text []rune, token string, end, start int) bool {
	if c.wordPiece {
		return strings.HasPrefix(token, continuationPrefix)
	}
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	return start == end && part(text[end-1]) && part(text[start]) || start < end
}
