// Package tensor multiplies matrices of float32 on the CPU: C = A·Bᵀ, A·B and Aᵀ·B, on all cores, in Go and Go assembly.
// What belongs here is products, and what they read; nothing in it knows what a layer is.
//
//	y := tensor.New(3, 2)
//	tensor.NT(y, tensor.View([]float32{1, 2, 3, 4, 5, 6}, 3, 2), weight, 0) // y = x·Wᵀ, whatever W is stored as
//
// A [Matrix] is rows of float32, a [Source] what can be read as one a block at a time, such as [BF16] and [F16]. [NT], [NN] and
// [TN] multiply; [Parallel] shares out other work on the same threads.
//
// The one idea: a weight is anything that can write a block of itself as float32 (Source). Both operands are packed
// into panels before they are multiplied, and a weight is widened from its storage (bf16, f16, a quantized block, a
// weight with an adapter's update) on the way into its panel, where it costs next to nothing. The product itself runs
// on one kind of micro-kernel: a tile of C held in registers, AVX-512, AVX2, NEON or pure Go by package cpu.
//
// C is cut into tiles of rows and columns that the caller and the idle workers take in turns. k is never cut between
// threads, and every element of C is summed over k in one fixed order, so results are the same bits whatever the number
// of threads, and an element does not depend on how many rows A has. The exception is NT with at most eight rows
// (generating text, a token at a time), which streams the weight once through dot products and has its own order.
//
// Small products (attention's) run in the caller, and nothing allocates: scratch memory is kept between calls.
// A wrong shape is a caller's mistake and panics.
//
// The kernels of amd64 are written by gen, a module of its own: go generate. Those of arm64 (a tile of 8×8, packing
// and dot products) are written by hand. They are tested under qemu-aarch64, but their speed was never measured:
//
//	GOARCH=arm64 go test -exec qemu-aarch64 -short ./tensor
package tensor

//go:generate sh -c "cd gen && go run . -pkg tensor -out ../kernels_amd64.s -stubs ../kernels_amd64.go"
