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
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// TokenClassifier implements Cybertron's token classification.
type TokenClassifier struct{ runner *runner }

var _ tokenclassification.Interface = (*TokenClassifier)(nil)

// NewTokenClassifier returns a pipeline for a model with a head for token classification.
func NewTokenClassifier(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TokenClassifier, error) {
	src, err := sourceOf("token classification", m, tok)
	if err != nil {
		return nil, err
	}
	return newTokenClassifier(src, o)
}

func newTokenClassifier(src source, o Options) (*TokenClassifier, error) {
	r, err := newRunner("token classification", src, o, head.TokenClassification)
	if err != nil {
		return nil, err
	}
	return &TokenClassifier{r}, nil
}

// continuationPrefix begins WordPiece tokens that are not the first of a word.
const continuationPrefix = "##"

// Classify returns the words of a text, each with the label of its first token and the label's probability, as Cybertron
// does. With another strategy than AggregationStrategyNone it returns the entities, as transformers does: tokens
// (AggregationStrategySimple) or words (AggregationStrategyFirst, AggregationStrategyAverage, AggregationStrategyMax) that
// follow each other and whose tags belong together. Start and End count characters; End is exclusive; Text is the text
// between the two. A text that is too long is read in windows that overlap.
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
	decide, err := decisionOf(p.AggregationStrategy)
	if err != nil {
		return nil, err
	}
	s, err := c.runner.subject(ctx)
	if err != nil {
		return nil, err
	}
	tagged, err := c.tag(ctx, s, texts)
	if err != nil {
		return nil, err
	}
	all := make([]tokenclassification.Response, len(texts))
	for i, t := range tagged {
		if p.AggregationStrategy == "" || p.AggregationStrategy == tokenclassification.AggregationStrategyNone {
			all[i].Tokens = t.words(s.tok.MarksContinuations(), s.Head().Labels)
		} else {
			all[i].Tokens = t.entities(decide, newTagScheme(s.Head().Labels), s.Head().Labels)
		}
	}
	return all, nil
}

// taggedText is a text with its tokens, without special ones, and their probabilities.
type taggedText struct {
	text   []rune
	tokens []taggedToken
}

// taggedToken is a token of a text.
type taggedToken struct {
	start, end int    // characters of the text
	token      string // as the vocabulary has it
	subword    bool   // it continues a word, as transformers decides
	scores     []float64
}

// tag computes the probabilities of the labels for all tokens. Each token of a long text has those of the window in which
// it has the most context.
func (c *TokenClassifier) tag(ctx context.Context, s *subject, texts []string) ([]taggedText, error) {
	all := make([]taggedText, len(texts))
	var rows []tokenizer.Encoding
	var take []func(y tensor.Matrix)
	for i, text := range texts {
		e := s.tok.EncodePlus(text, false)
		all[i] = s.untagged([]rune(text), e)
		windows, err := s.windows(text, e)
		if err != nil {
			return nil, textError(err, i, len(texts))
		}
		for _, w := range windows {
			rows = append(rows, tokenizer.Encoding{IDs: w.IDs, TypeIDs: typesOf(w.Features)})
			take = append(take, func(y tensor.Matrix) {
				for j := w.KeepFrom; j < w.KeepTo; j++ {
					all[i].tokens[j].scores = numeric.Softmax(y.Row(w.First + j - w.From))
				}
			})
		}
	}
	err := c.runner.each(ctx, s, rows, s.headOutputs(tokenRows), func(i int, y tensor.Matrix) { take[i](y) })
	return all, err
}

// typesOf are the types of a row's tokens.
func typesOf(row tasks.Features) []int32 {
	if row.TokenTypeIDs != nil {
		return row.TokenTypeIDs
	}
	return make([]int32, len(row.IDs))
}

// windows cuts a text into rows that the model can read.
func (s *subject) windows(text string, e tokenizer.Encoding) ([]tasks.Window, error) {
	if len(e.IDs) == 0 { // there may be special tokens
		full, err := s.encode(text, tokenclassification.ErrInputSequenceTooLong)
		return []tasks.Window{{Features: tasks.Features{IDs: full.IDs, TokenTypeIDs: full.TypeIDs}}}, err
	}
	return s.once.pairs().Windows(e.IDs)
}

// untagged returns the tokens of a text, without scores. As in transformers, a token of WordPiece continues a word if it is
// longer than its part of the text (##s); other tokens do so unless a blank is before them or begins them.
func (s *subject) untagged(text []rune, e tokenizer.Encoding) taggedText {
	t := taggedText{text: text, tokens: make([]taggedToken, len(e.IDs))}
	unk, hasUnk := s.tok.Unk()
	for i, at := range e.Offsets {
		start, end := min(at[0], len(text)), min(at[1], len(text))
		k := taggedToken{start: start, end: end, token: e.Tokens[i]}
		switch {
		case hasUnk && e.IDs[i] == unk:
		case s.tok.MarksContinuations():
			k.subword = len([]rune(k.token)) != end-start
		default:
			k.subword = start > 0 && !strings.ContainsRune(string(text[start-1:min(start+1, len(text))]), ' ')
		}
		t.tokens[i] = k
	}
	return t
}

// words returns the words of a text with the labels of their first tokens.
func (t taggedText) words(wordPiece bool, labels []string) []tokenclassification.Token {
	words := []tokenclassification.Token{}
	for _, k := range t.tokens {
		if k.start >= k.end {
			continue
		}
		if n := len(words); n > 0 && t.continuesWord(wordPiece, k, words[n-1].End) {
			words[n-1].End = k.end
			continue
		}
		best := numeric.Argmax(k.scores)
		words = append(words, tokenclassification.Token{Start: k.start, End: k.end, Label: labels[best], Score: k.scores[best]})
	}
	for i, w := range words {
		words[i].Text = string(t.text[w.Start:w.End])
	}
	return words
}

// continuesWord reports whether a token continues the word that ends at end. WordPiece marks such tokens with a prefix;
// otherwise a letter or digit that directly follows another continues the word.
func (t taggedText) continuesWord(wordPiece bool, k taggedToken, end int) bool {
	if wordPiece {
		return strings.HasPrefix(k.token, continuationPrefix)
	}
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	return k.start == end && part(t.text[end-1]) && part(t.text[k.start]) || k.start < end
}
