package op

import (
	"unsafe"

	"github.com/spagotune/spagotune/tensor"
)

// precision is how an operator reads an operand in a pass with BF16.
type precision uint8

const (
	inFull    precision = iota
	inBF16              // in products alone, which round it to bfloat16
	inF16               // rounded to half precision, by Pass.row
	backInF16           // in full, and in the backward pass rounded to half precision
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
	narrow, widen := tensor.NarrowF16, tensor.WidenF16
	if x.packs() == inBF16 {
		narrow, widen = tensor.NarrowBF16, tensor.WidenBF16
	}
	packed, cols := x.pass.New(x.rows, (x.cols+1)/2), x.cols
	row := func(i int) []uint16 { return uint16s(packed.m.Row(i))[:cols] }
	x.pass.eachRow(inFull, x.m, func(i int, r []float32) { narrow(row(i), r) })
	x.pass.Free(x)
	x.packed, x.dropped = packed, true
	x.remake = func(dst tensor.Matrix) {
		x.pass.eachRow(inFull, dst, func(i int, r []float32) { widen(r, row(i)) })
	}
}

// row is a row as the backward pass of an operator of that precision reads it; buf has its length.
func (p *Pass) row(as precision, buf, row []float32) []float32 {
	if as < inF16 || !p.BF16 {
		return row
	}
	tensor.RoundF16(buf, row)
	return buf
}

// eachRow calls f for the rows of m as row gives them, in parallel.
func (p *Pass) eachRow(as precision, m tensor.Matrix, f func(i int, row []float32)) {
	byRows(m.Rows, func(from, to int) {
		buf, scratch := memory.get(m.Cols)
		defer memory.put(buf)
		for i := from; i < to; i++ {
			f(i, p.row(as, scratch, m.Row(i)))
		}
	})
}

// uint16s is the memory of values as numbers of 16 bits.
func uint16s(values []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(values))), 2*len(values))
}
