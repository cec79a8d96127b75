package gemm_test

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/gemm"
)

func ExampleNT() {
	tokens := gemm.View([]float32{1, 2, 3, 4}, 2, 2)
	weight := gemm.BF16{Data: []uint16{gemm.ToBF16(1), gemm.ToBF16(0), gemm.ToBF16(0.5), gemm.ToBF16(0.5), gemm.ToBF16(-1), gemm.ToBF16(1)}, Rows: 3, Cols: 2}
	out := gemm.New(2, 3)
	gemm.NT(out, tokens, weight, 0)
	fmt.Println(out.Row(0), out.Row(1))
	// Output: [1 1.5 1] [3 3.5 1]
}

func ExampleParallel() {
	squares := make([]int, 5)
	gemm.Parallel(len(squares), func(i int) { squares[i] = i * i })
	fmt.Println(squares)
	// Output: [0 1 4 9 16]
}
