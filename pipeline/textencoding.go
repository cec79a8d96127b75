package pipeline

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// TextEncoder implements Cybertron's text encoding.
type TextEncoder struct {
	runner     *runner
	promptName string
	truncated  atomic.Int64
}

var _ textencoding.Interface = (*TextEncoder)(nil)

// NewTextEncoder returns a pipeline for a model that computes embeddings.
func NewTextEncoder(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TextEncoder, error) {
	src, err := sourceOf("text encoding", m, tok)
	if err != nil {
		return nil, err
	}
	return newTextEncoder(src, o)
}

func newTextEncoder(src source, o Options) (*TextEncoder, error) {
	r, err := newRunner("text encoding", src, o, head.FeatureExtraction)
	if err != nil {
		return nil, err
	}
	return &TextEncoder{runner: r, promptName: o.PromptName}, nil
}

// Truncated counts the texts that were cut so far, to max_seq_length of their model's folder.
func (c *TextEncoder) Truncated() int { return int(c.truncated.Load()) }

// Encode returns the embedding of a text. poolingStrategy is one of Cybertron's (package bert): ClsTokenPooling, which
// needs a pooler in the checkpoint, MeanPooling, MaxPooling or MeanMaxPooling. A text that is too long is
// textencoding.ErrInputSequenceTooLong; where the model's folder has sentence-transformers' max_seq_length, it is cut.
func (c *TextEncoder) Encode(ctx context.Context, text string, poolingStrategy int) (textencoding.Response, error) {
	all, err := c.EncodeAll(ctx, []string{text}, poolingStrategy)
	if err != nil {
		return textencoding.Response{}, err
	}
	return all[0], nil
}

// EncodeAll is Encode for several texts at once.
func (c *TextEncoder) EncodeAll(ctx context.Context, texts []string, poolingStrategy int) ([]textencoding.Response, error) {
	all, err := c.encode(ctx, texts, bert.PoolingStrategyType(poolingStrategy))
	if err != nil {
		return nil, fmt.Errorf("pipeline: text encoding: %w", err)
	}
	return all, nil
}

func (c *TextEncoder) encode(ctx context.Context, texts []string, strategy bert.PoolingStrategyType) ([]textencoding.Response, error) {
	s, err := c.runner.subject(ctx)
	if err != nil {
		return nil, err
	}
	prompt, skipped, err := c.prompt(s)
	if err != nil {
		return nil, err
	}
	compute, pool, err := s.pooling(strategy, skipped)
	if err != nil {
		return nil, err
	}
	encodings := make([]tokenizer.Encoding, len(texts))
	for i, text := range texts {
		if encodings[i], err = c.tokens(s, prompt+text); err != nil {
			return nil, textError(err, i, len(texts))
		}
	}
	all := make([]textencoding.Response, len(texts))
	err = c.runner.each(ctx, s, encodings, compute, func(i int, y tensor.Matrix) {
		all[i].Vector = mat.NewDense[float32](mat.WithBacking(pool(y)))
	})
	return all, err
}

// prompt is what stands before each text, and the number of its tokens that pooling passes over: 0 unless the model's folder says
// include_prompt: false.
func (c *TextEncoder) prompt(s *subject) (prompt string, skipped int, err error) {
	if prompt, err = s.Prompt(c.promptName); err != nil || !s.Head().ExcludePrompt {
		return prompt, 0, err
	}
	skipped, err = s.once.pairs().PromptLength(prompt)
	return prompt, skipped, err
}

// tokens tokenizes a text. Where the model's folder has max_seq_length, a longer text is cut, as in sentence-transformers.
func (c *TextEncoder) tokens(s *subject, text string) (tokenizer.Encoding, error) {
	e := s.tok.EncodePlus(text, true)
	if !s.Truncates() || len(e.IDs) <= s.MaxLength() {
		return s.fits(e, textencoding.ErrInputSequenceTooLong)
	}
	row, _, err := s.once.pairs().Row(text, "")
	c.truncated.Add(1)
	return tokenizer.Encoding{IDs: row.IDs, TypeIDs: typesOf(row)}, err
}

// pooling returns what to compute for a strategy and how to pool the rows of a text, but its first ones, into one vector.
func (s *subject) pooling(strategy bert.PoolingStrategyType, skipped int) (computation, func(tensor.Matrix) []float32, error) {
	rest := func(y tensor.Matrix) tensor.Matrix {
		n := min(skipped, y.Rows)
		return y.Slice(n, 0, y.Rows-n, y.Cols)
	}
	switch strategy {
	case bert.ClsTokenPooling:
		return computation{s.PoolerOutput, oneRow}, func(y tensor.Matrix) []float32 { return append([]float32(nil), y.Row(0)...) }, nil
	case bert.MeanPooling:
		return computation{s.LastHiddenState, tokenRows}, func(y tensor.Matrix) []float32 { return mean(rest(y)) }, nil
	case bert.MaxPooling:
		return computation{s.LastHiddenState, tokenRows}, func(y tensor.Matrix) []float32 { return maximum(rest(y)) }, nil
	case bert.MeanMaxPooling:
		return computation{s.LastHiddenState, tokenRows}, func(y tensor.Matrix) []float32 { return append(mean(rest(y)), maximum(rest(y))...) }, nil
	}
	return computation{}, nil, fmt.Errorf("pooling strategy %d is not known; known are %d (first token) to %d (mean and maximum)",
		strategy, bert.ClsTokenPooling, bert.MeanMaxPooling)
}

// mean returns the mean of the rows, zeros without a row.
func mean(y tensor.Matrix) []float32 {
	sum := make([]float64, y.Cols)
	for i := range y.Rows {
		for j, v := range y.Row(i) {
			sum[j] += float64(v)
		}
	}
	v := make([]float32, y.Cols)
	for j, s := range sum {
		v[j] = float32(s / float64(max(1, y.Rows)))
	}
	return v
}

// noMaximum is the maximum of no rows, as in sentence-transformers.
var noMaximum = float32(math.Inf(-1))

// maximum returns the maximum of each column.
func maximum(y tensor.Matrix) []float32 {
	v := make([]float32, y.Cols)
	for j := range v {
		v[j] = noMaximum
	}
	for i := range y.Rows {
		for j, x := range y.Row(i) {
			v[j] = max(v[j], x)
		}
	}
	return v
}
