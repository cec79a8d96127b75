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
// out at the end, or zeros are put there. Other tensors are returned as they are.
func (b *binding) resized(w *Weight, t checkpoint.Tensor) checkpoint.Tensor {
	n := b.m.Options.VocabSize
	if n == 0 || len(t.Shape) != len(w.Shape) || w.Shape[0] != n || t.Shape[0] == n || !slices.Equal(t.Shape[1:], w.Shape[1:]) {
		return t
	}
	row := 0
	if t.Shape[0] > 0 {
		row = len(t.Data) / t.Shape[0]
	}
	if t.Shape[0] < n {
		b.m.PaddedRows[w.Name] = t.Shape[0]
	}
	data := make([]byte, n*row)
	copy(data, t.Data)
	t.Data, t.Shape = data, w.Shape
	return t
}
