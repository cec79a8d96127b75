package model

import "fmt"

// NewMeta makes a model whose weights are zero and take no memory, from a config.json: to count parameters or to estimate
// memory. It is PyTorch's meta device.
func NewMeta(config []byte) (*Model, error) {
	m, err := build(config, Options{})
	if err != nil {
		return nil, fmt.Errorf("model: new meta: %w", err)
	}
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			rows, cols := w.rowsCols()
			w.source = zeros{rows, cols}
		}
	})
	return m, nil
}

// zeros is a matrix of zeros.
type zeros struct{ rows, cols int }

func (z zeros) Dims() (rows, cols int) { return z.rows, z.cols }

func (z zeros) Block(dst []float32, ld, _, _, m, n int) {
	for r := range m {
		clear(dst[r*ld : r*ld+n])
	}
}
