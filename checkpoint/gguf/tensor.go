package gguf

import (
	"fmt"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tensor"
)

// Tensor is a named array.
type Tensor struct {
	Name string
	Type Type
	// Shape has the size of each dimension, rows before columns, as PyTorch does. GGML's tools print it the other way
	// round. A scalar has none.
	Shape []int
	// Data are the blocks of one row after the other. Of an opened file they may be memory-mapped. Never write to them,
	// and do not use them after Close.
	Data []byte
	// File is the path of the file that the tensor is from, or "".
	File string
}

// Size is the number of values.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// check returns what is wrong with the shape, or with the length of the data.
func (t Tensor) check() error {
	_, bytes, err := t.Type.size(t.Shape)
	if err == nil && bytes != len(t.Data) {
		err = fmt.Errorf("shape %v in %s needs %d bytes, its data has %d", t.Shape, t.Type, bytes, len(t.Data))
	}
	return err
}

// Source returns the tensor as a matrix that is unpacked a block at a time, straight from its data. The last dimension
// is its columns, all others its rows. F32, F16 and BF16 are tensor.Matrix, tensor.F16 and tensor.BF16 where memory
// allows it, all else is Blocks. An error is ErrUnsupported for a type that is not read as floats.
func (t Tensor) Source() (tensor.Source, error) {
	b, err := t.blocks()
	if err != nil {
		return nil, t.fail(err)
	}
	if dense, ok := t.dense(); ok {
		if v, ok := dense.Float32View(); ok {
			return tensor.View(v, b.rows, b.cols), nil
		}
		switch u := dense.Uint16s(); t.Type {
		case F16:
			return tensor.F16{Data: u, Rows: b.rows, Cols: b.cols}, nil
		case BF16:
			return tensor.BF16{Data: u, Rows: b.rows, Cols: b.cols}, nil
		}
	}
	return b, nil
}

// Float32s returns a copy of the values.
func (t Tensor) Float32s() ([]float32, error) {
	b, err := t.blocks()
	if err != nil {
		return nil, t.fail(err)
	}
	out := make([]float32, b.rows*b.cols)
	const chunk = 1 << 16 // values of a job
	rows := max(1, chunk/b.cols)
	tensor.Parallel((b.rows+rows-1)/rows, func(i int) {
		first := i * rows
		b.Block(out[first*b.cols:], b.cols, first, 0, min(rows, b.rows-first), b.cols)
	})
	return out, nil
}

// Int64s returns a copy of the values of an integer type.
func (t Tensor) Int64s() ([]int64, error) {
	if t.Type.layout().use != integer {
		return nil, t.fail(fmt.Errorf("%w: %s is not read as integers; I8, I16, I32 and I64 are", ErrUnsupported, t.Type))
	}
	dense, _ := t.dense()
	v, err := dense.Int64s()
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return v, nil
}

// dense returns a tensor of a type without blocks as one of package checkpoint.
func (t Tensor) dense() (checkpoint.Tensor, bool) {
	if t.Type.Quantized() {
		return checkpoint.Tensor{}, false
	}
	return checkpoint.Tensor{Name: t.Name, DType: checkpoint.DType(t.Type.String()), Shape: t.Shape, Data: t.Data, File: t.File}, true
}

// fail puts the file, if there is one, and the tensor before err.
func (t Tensor) fail(err error) error {
	name := wording.Clip(t.Name, maxQuoted)
	if t.File == "" {
		return fmt.Errorf("gguf: tensor %q: %w", name, err)
	}
	return fmt.Errorf("gguf: %s: tensor %q: %w", t.File, name, err)
}
