package model

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/tensor"
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
	if _, ok := b.m.file.(sourceFile); ok { // bind fits the rows
		if t.Shape[0] < n {
			b.m.PaddedRows[w.Name] = t.Shape[0]
		}
		t.Shape = w.Shape
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

// fitted is a matrix with another number of rows: those at the end are left out, or are the mean of all.
func fitted(src tensor.Source, n int) tensor.Source {
	rows, cols := src.Dims()
	if rows == n {
		return src
	}
	f := fittedRows{of: src, has: min(rows, n), rows: n}
	if rows > n || rows == 0 {
		return f
	}
	row := make([]float32, cols)
	f.mean = meanOf(rows, cols, func(i int) []float32 {
		src.Block(row, cols, i, 0, 1, cols)
		return row
	})
	return f
}

// meanOf is the mean of n rows.
func meanOf(n, cols int, row func(i int) []float32) []float32 {
	sums, mean := make([]float64, cols), make([]float32, cols)
	for i := range n {
		for j, v := range row(i) {
			sums[j] += float64(v)
		}
	}
	for j, s := range sums {
		mean[j] = float32(s / float64(n))
	}
	return mean
}

// fittedRows has the first rows of a matrix, and after them the same row again and again.
type fittedRows struct {
	of        tensor.Source
	has, rows int
	mean      []float32
}

// Dims implements tensor.Source.
func (f fittedRows) Dims() (rows, cols int) {
	_, cols = f.of.Dims()
	return f.rows, cols
}

// Block implements tensor.Source.
func (f fittedRows) Block(dst []float32, ld, i, j, m, n int) {
	stored := max(0, min(m, f.has-i))
	if stored > 0 {
		f.of.Block(dst, ld, i, j, stored, n)
	}
	for r := stored; r < m; r++ {
		copy(dst[r*ld:r*ld+n], f.mean[j:])
	}
}

// Dot implements tensor.Dotter.
func (f fittedRows) Dot(out, x []float32, i, step, j int) bool {
	d, ok := f.of.(tensor.Dotter)
	return ok && i+(len(out)-1)*step < f.has && d.Dot(out, x, i, step, j)
}

// meanRow is the mean of the rows of a tensor, in its type: what transformers' resize_token_embeddings draws new rows about.
func meanRow(t checkpoint.Tensor) (checkpoint.Tensor, error) {
	values, err := t.Float32s()
	if err != nil || t.Shape[0] == 0 {
		return checkpoint.Tensor{}, err
	}
	dim := len(values) / t.Shape[0]
	mean := meanOf(t.Shape[0], dim, func(i int) []float32 { return values[i*dim : (i+1)*dim] })
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
