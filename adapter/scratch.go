package adapter

import (
	"sync"

	"github.com/spagotune/spagotune/tensor"
)

// scratch is a matrix from a pool; its content is undefined.
type scratch struct {
	tensor.Matrix
	buf []float32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// take gets a matrix from the pool; give puts it back.
func take(rows, cols int) *scratch {
	s := scratches.Get().(*scratch)
	if len(s.buf) < rows*cols {
		s.buf = make([]float32, rows*cols)
	}
	s.Matrix = tensor.View(s.buf[:rows*cols], rows, cols)
	return s
}

func (s *scratch) give() { scratches.Put(s) }

// byRows runs f over ranges of n rows, on several threads where that pays. cost is the number of operations on values that
// a row takes, roughly.
func byRows(n, cost int, f func(from, to int)) {
	step := max(1, (1<<16)/max(cost, 1))
	if n <= 2*step {
		f(0, n)
		return
	}
	tensor.ParallelRanges(n, step, f)
}
