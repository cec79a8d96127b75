package op

import (
	"unsafe"

	"github.com/spagotune/spagotune/tensor"
)

// precision is how an operator reads an operand in a pass with BF16.
type precision uint8

const (
	inFull precision = iota
	inBF16           // in products alone, which round it to bfloat16
	inF16            // rounded to half precision, by Pass.inF16
	precisions
)

// packable says whether the backward pass needs only 16 bits of the value: in a pass with BF16, where all its readers round it alike.
func (x *Tensor) packable() bool { return x.packs() != inFull }

func (x *Tensor) packs() precision {
	if !x.pass.BF16 || x.readers == 0 || x.saved {
		return inFull
	}
	for p := inBF16; p < precisions; p++ {
		if x.rounded[p] == x.readers {
			return p
		}
	}
	return inFull
}

// pack keeps the content in 16 bits until a reader in the backward pass fetches it.
func (x *Tensor) pack() {
	narrow, widen := tensor.NarrowBF16, tensor.WidenBF16
	if x.packs() == inF16 {
		narrow, widen = tensor.NarrowF16, tensor.WidenF16
	}
	packed, cols := x.pass.New(x.rows, (x.cols+1)/2), x.cols
	row := func(i int) []uint16 { return uint16s(packed.m.Row(i))[:cols] }
	x.eachRow(x.m, func(i int, r []float32) { narrow(row(i), r) })
	x.pass.Free(x)
	x.packed, x.dropped = packed, true
	x.remake = func(dst tensor.Matrix) {
		x.eachRow(dst, func(i int, r []float32) { widen(r, row(i)) })
	}
}

// inF16 is a row as operators read it that round to half precision in a pass with BF16; buf has its length.
func (p *Pass) inF16(buf, row []float32) []float32 {
	if !p.BF16 {
		return row
	}
	tensor.RoundF16(buf, row)
	return buf
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
