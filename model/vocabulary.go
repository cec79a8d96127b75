package model

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
)

// vocabulary is the config.json of the model with as many tokens as the options ask for.
func (o Options) vocabulary(config []byte) ([]byte, error) {
	switch {
	case o.VocabSize < 0 || o.VocabSize > 1<<24:
		return nil, fmt.Errorf("%d tokens; want 1 to %d", o.VocabSize, 1<<24)
	case o.VocabSize == 0:
		return config, nil
	}
	return setKey(config, "vocab_size", o.VocabSize)
}

// resized is the tensor of a weight that has a row for each token, in a model with another number of them: rows are left
// out at the end, or their mean is put there. Other tensors are returned as they are.
func (b *binding) resized(w *Weight, t checkpoint.Tensor) checkpoint.Tensor {
	n := b.m.Options.VocabSize
	if n == 0 || len(t.Shape) != len(w.Shape) || w.Shape[0] != n || t.Shape[0] == n || !slices.Equal(t.Shape[1:], w.Shape[1:]) {
		return t
	}
	row := 0
	if t.Shape[0] > 0 {
		row = len(t.Data) / t.Shape[0]
	}
	data := make([]byte, n*row)
	copy(data, t.Data)
	if t.Shape[0] < n {
		b.m.PaddedRows[w.Name] = t.Shape[0]
		mean, err := meanRow(t)
		if err != nil {
			return t // binding says what is wrong with it
		}
		for at := len(t.Data); at < len(data); at += row {
			copy(data[at:], mean.Data)
		}
	}
	t.Data, t.Shape = data, w.Shape
	return t
}

// meanRow is the mean of the rows of a tensor, in its type: what transformers' resize_token_embeddings draws new rows about.
func meanRow(t checkpoint.Tensor) (checkpoint.Tensor, error) {
	values, err := t.Float32s()
	if err != nil || t.Shape[0] == 0 {
		return checkpoint.Tensor{}, err
	}
	dim := len(values) / t.Shape[0]
	sums := make([]float64, dim)
	for i, v := range values {
		sums[i%dim] += float64(v)
	}
	mean := make([]float32, dim)
	for i, s := range sums {
		mean[i] = float32(s / float64(t.Shape[0]))
	}
	switch t.DType {
	case checkpoint.DTypeBF16:
		return checkpoint.BF16FromFloat32(t.Name, mean, dim), nil
	case checkpoint.DTypeF16:
		return checkpoint.F16FromFloat32(t.Name, mean, dim), nil
	case checkpoint.DTypeF32:
		return checkpoint.F32(t.Name, mean, dim), nil
	}
	return checkpoint.Tensor{}, nil // zeros
}
