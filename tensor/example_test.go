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
