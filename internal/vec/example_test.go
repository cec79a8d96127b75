package vec_test

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/vec"
)

func ExampleAxpy() {
	y := []float32{1, 1, 1}
	vec.Axpy(y, 2, []float32{1, 2, 3})
	fmt.Println(y)
	// Output: [3 5 7]
}

// The softmax of a row: exponentials, their sum, and a factor.
func ExampleExpSum() {
	x := []float32{0, 0, 0, 0}
	sum := vec.ExpSum(x, x, vec.Max(x))
	vec.Scale(x, 1/sum, x)
	fmt.Println(x)
	// Output: [0.25 0.25 0.25 0.25]
}
