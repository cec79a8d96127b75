package pipeline

import (
	"context"
	"fmt"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// TextEncoder implements Cybertron's text encoding.
type TextEncoder struct{ runner *runner }

var _ textencoding.Interface = (*TextEncoder)(nil)

// NewTextEncoder returns a pipeline for a model that computes embeddings.
func NewTextEncoder(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TextEncoder, error) {
	h, err := newRunner("text encoding", m, tok, o, head.FeatureExtraction)
	if err != nil {
		return nil, err
	}
	return &TextEncoder{h}, nil
}

// Encode returns the embedding of a text. poolingStrategy is one of Cybertron's (package bert): ClsTokenPooling, which
// needs a pooler in the checkpoint, MeanPooling, MaxPooling or MeanMaxPooling.
func (c *TextEncoder) Encode(ctx context.Context, text string, poolingStrategy int) (textencoding.Response, error) {
	all, err := c.EncodeAll(ctx, []string{text}, poolingStrategy)
	if err != nil {
		return textencoding.Response{}, err
	}
	return all[0], nil
}

// EncodeAll is Encode for several texts at once.
func (c *TextEncoder) EncodeAll(ctx context.Context, texts []string, poolingStrategy int) ([]textencoding.Response, error) {
	compute, pool, err := c.pooling(bert.PoolingStrategyType(poolingStrategy))
	var encodings []tokenizer.Encoding
	if err == nil {
		encodings, err = c.runner.encodeAll(texts, textencoding.ErrInputSequenceTooLong)
	}
	all := make([]textencoding.Response, len(texts))
	if err == nil {
		err = c.runner.each(ctx, encodings, compute, func(i int, y tensor.Matrix) {
			all[i].Vector = mat.NewDense[float32](mat.WithBacking(pool(y)))
		})
	}
	if err != nil {
		return nil, fmt.Errorf("pipeline: text encoding: %w", err)
	}
	return all, nil
}

// pooling returns what to compute for a strategy and how to pool the rows of a text into one vector.
func (c *TextEncoder) pooling(s bert.PoolingStrategyType) (computation, func(tensor.Matrix) []float32, error) {
	switch s {
	case bert.ClsTokenPooling:
		return computation{c.runner.PoolerOutput, oneRow}, func(y tensor.Matrix) []float32 { return append([]float32(nil), y.Row(0)...) }, nil
	case bert.MeanPooling:
		return computation{c.runner.LastHiddenState, tokenRows}, mean, nil
	case bert.MaxPooling:
		return computation{c.runner.LastHiddenState, tokenRows}, maximum, nil
	case bert.MeanMaxPooling:
		return computation{c.runner.LastHiddenState, tokenRows}, func(y tensor.Matrix) []float32 { return append(mean(y), maximum(y)...) }, nil
	}
	return computation{}, nil, fmt.Errorf("pooling strategy %d is not known; known are %d (first token) to %d (mean and maximum)",
		s, bert.ClsTokenPooling, bert.MeanMaxPooling)
}

// mean returns the mean of the rows.
func mean(y tensor.Matrix) []float32 {
	sum := make([]float64, y.Cols)
	for i := range y.Rows {
		for j, v := range y.Row(i) {
			sum[j] += float64(v)
		}
	}
	v := make([]float32, y.Cols)
	for j, s := range sum {
		v[j] = float32(s / float64(y.Rows))
	}
	return v
}

// maximum returns the maximum of each column.
func maximum(y tensor.Matrix) []float32 {
	v := append([]float32(nil), y.Row(0)...)
	for i := range y.Rows {
		for j, x := range y.Row(i) {
			v[j] = max(v[j], x)
		}
	}
	return v
}
