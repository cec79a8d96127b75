package op

import (
	"unsafe"

	"github.com/spagotune/spagotune/tensor"
)

// packable says whether the backward pass needs only bfloat16 of the value: in a pass with BF16, where all its readers round it.
func (x *Tensor) packable() bool {
	return x.pass.BF16 && x.readers > 0 && x.rounded == x.readers && !x.saved
}

// pack keeps the content in bfloat16 until a reader in the backward pass fetches it.
func (x *Tensor) pack() {
	packed, cols := x.pass.New(x.rows, (x.cols+1)/2), x.cols
	row := func(i int) []uint16 { return uint16s(packed.m.Row(i))[:cols] }
	x.eachRow(x.m, func(i int, r []float32) { tensor.NarrowBF16(row(i), r) })
	x.pass.Free(x)
	x.packed, x.dropped = packed, true
	x.remake = func(dst tensor.Matrix) {
		x.eachRow(dst, func(i int, r []float32) { tensor.WidenBF16(r, row(i)) })
	}
}

// eachRow calls f for the rows of m, in parallel.
func (x *Tensor) eachRow(m tensor.Matrix, f func(i int, row []float32)) {
	byRows(m.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			f(i, m.Row(i))
		}
	})
}

// uint16s is the memory of values as numbers of 16 bits.
func uint16s(values []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(values))), 2*len(values))
}
