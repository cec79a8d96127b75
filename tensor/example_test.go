package tensor_test

import (
	"fmt"

	"github.com/spagotune/spagotune/tensor"
)

func ExampleNT() {
	tokens := tensor.View([]float32{1, 2, 3, 4}, 2, 2)
	weight := tensor.BF16{Data: []uint16{tensor.ToBF16(1), tensor.ToBF16(0), tensor.ToBF16(0.5), tensor.ToBF16(0.5), tensor.ToBF16(-1), tensor.ToBF16(1)}, Rows: 3, Cols: 2}
	out := tensor.New(2, 3)
	tensor.NT(out, tokens, weight, 0)
	fmt.Println(out.Row(0), out.Row(1))
	// Output: [1 1.5 1] [3 3.5 1]
}

func ExampleParallel() {
	squares := make([]int, 5)
	tensor.Parallel(len(squares), func(i int) { squares[i] = i * i })
	fmt.Println(squares)
	// Output: [0 1 4 9 16]
}

// doubled is a Source of your own: a weight that is widened, and changed, while a product reads it.
type doubled struct{ tensor.Source }

func (d doubled) Block(dst []float32, ld, i, j, m, n int) {
	d.Source.Block(dst, ld, i, j, m, n)
	for r := range m {
		for c := range n {
			dst[r*ld+c] *= 2
		}
	}
}

func ExampleSource() {
	x := tensor.View([]float32{1, 2, 3, 4}, 2, 2)
	y := tensor.New(2, 2)
	tensor.NN(y, x, doubled{tensor.View([]float32{1, 0, 0, 1}, 2, 2)}, 0)
	fmt.Println(y.Data)
	// Output: [2 4 6 8]
}

// A slice of a matrix is a view: it shares the values.
func ExampleMatrix_Slice() {
	m := tensor.New(3, 4)
	column := m.Slice(0, 1, 3, 1)
	for i := range column.Rows {
		column.Row(i)[0] = float32(i + 1)
	}
	fmt.Println(m.Data)
	// Output: [0 1 0 0 0 2 0 0 0 3 0 0]
}
