// Package vec has the element-wise kernels over float32 slices that stand between the matrix products: sums and
// products, the exponentials of softmax, SwiGLU, RMSNorm, RoPE and the AdamW update, with their gradients. It is for
// package op, the hosts and the optimizer.
//
// The one idea: each function checks its lengths once and runs one kernel, in AVX-512, AVX2 or pure Go as package cpu
// says. The assembly takes a slice's last values with a masked vector, so any length and any alignment will do, nothing
// beyond a slice's end is touched, and an element's value does not depend on where in the slice it stands.
//
// Results are the same bits on each call at one level. Sums (Dot, Sum, SumSquares, ExpSum and the mean inside RMSNorm
// and RMSNormGrad) have an order of their own at each level. Axpy, Add, Scale, Mul, MulAdd, Rotate, Unrotate and AdamW
// round after every operation and are the same bits at every level. So are the exponentials at AVX2 and AVX-512; pure Go
// takes them in float64 and differs in the last place.
//
// A destination may be the very slice of an input where the function says so, never a part of it. Slices whose lengths
// do not fit are the caller's mistake and panic.
//
// Long slices are taken in blocks of a microsecond or so, since assembly cannot be preempted, and the sums of the
// blocks are added in float64. Nothing allocates.
//
// The kernels are written by gen, a module of its own: go generate.
package vec

//go:generate sh -c "cd gen && go run . -pkg vec -out ../kernels_amd64.s -stubs ../kernels_amd64.go"

import "fmt"

// block is how many values one call of a kernel takes: few enough that its sums in float32 stay good.
const block = 1 << 12

// same panics unless two lengths are equal.
func same(name string, n, m int) {
	if n != m {
		differ(name, n, m)
	}
}

//go:noinline
func differ(name string, n, m int) {
	panic(fmt.Sprintf("vec: %s: slices of %d and %d values", name, n, m))
}
