package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// kind is how an operand stores its numbers.
type kind uint8

const (
	f32 kind = iota
	bf16
	f16
	other // through Source.Block
)

func (k kind) from(h uint16) float32 {
	if k == bf16 {
		return FromBF16(h)
	}
	return FromF16(h)
}

// geometry is the shape of a level's micro-kernel and of its panels.
type geometry struct {
	mr    int // rows of C in a tile
	nr    int // columns of C in a tile: the width of a panel of B
	lanes int // floats in a vector: the width of a panel of A (mr, padded), and what packing takes at a time
	kc    int // most k in a panel; a quarter more where k has one panel
	nb    int // most columns of a job: its panels of B stay in the L2 cache
}

// geometries were measured: a panel of A is as large as the L1 cache, and the job's panels of B take a quarter of the L2.
var geometries = [...]geometry{
	cpu.Go:     {mr: 4, nr: 4, lanes: 4, kc: 256, nb: 64},
	cpu.AVX2:   {mr: 6, nr: 16, lanes: 8, kc: 512, nb: 64},
	cpu.AVX512: {mr: 14, nr: 32, lanes: 16, kc: 512, nb: 128},
}

// kAlign is the multiple to which k in a panel is rounded up: the largest block of a transposing pack.
const kAlign = 32

// cutAlign is the multiple of k at which operands are cut, so that no cut falls into one of the blocks of 256 values, or fewer,
// in which quantized weights are stored.
const cutAlign = 256

// transposeBlock is the extent in k of a block of transpose.
func transposeBlock(g *geometry, k kind) int {
	if k == bf16 {
		return 2 * g.lanes
	}
	return g.lanes
}

// The rest of the file has the pure-Go twins of the kernels.

// tileGo adds the product of a panel of A (4 values for each k) and one of B (4) to rows×cols of beta·C.
func tileGo(k int, pa, pb, pc *float32, ldc, rows, cols int, beta float32) {
	a, b := unsafe.Slice(pa, 4*k), unsafe.Slice(pb, 4*k)
	var t [16]float32
	c00, c01, c02, c03 := t[0], t[0], t[0], t[0]
	c10, c11, c12, c13 := t[0], t[0], t[0], t[0]
	c20, c21, c22, c23 := t[0], t[0], t[0], t[0]
	c30, c31, c32, c33 := t[0], t[0], t[0], t[0]
	for len(a) >= 4 && len(b) >= 4 {
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		x := a[0]
		c00, c01, c02, c03 = c00+x*b0, c01+x*b1, c02+x*b2, c03+x*b3
		x = a[1]
		c10, c11, c12, c13 = c10+x*b0, c11+x*b1, c12+x*b2, c13+x*b3
		x = a[2]
		c20, c21, c22, c23 = c20+x*b0, c21+x*b1, c22+x*b2, c23+x*b3
		x = a[3]
		c30, c31, c32, c33 = c30+x*b0, c31+x*b1, c32+x*b2, c33+x*b3
		a, b = a[4:], b[4:]
	}
	t = [16]float32{c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33}
	c := unsafe.Slice(pc, (rows-1)*ldc+cols)
	for i := range rows {
		row := c[i*ldc : i*ldc+cols]
		for j := range row {
			if beta == 0 {
				row[j] = t[4*i+j]
			} else {
				row[j] = t[4*i+j] + beta*row[j]
			}
		}
	}
}

// at reads value i of p.
func (k kind) at(p unsafe.Pointer, i int) float32 {
	if k == f32 {
		return *(*float32)(unsafe.Add(p, 4*i))
	}
	return k.from(*(*uint16)(unsafe.Add(p, 2*i)))
}

// transposeGo writes dst[k·stride+i] = src[i·ld+k] for lanes rows of src and n values of k.
func transposeGo(k kind, lanes, n int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	d := unsafe.Slice(dst, (n-1)*stride+lanes)
	for i := range lanes {
		for j := range n {
			d[j*stride+i] = k.at(src, i*ld+j)
		}
	}
}

// copyRowsGo widens cols values of each row of src into dst, with zeros up to lanes.
func copyRowsGo(k kind, lanes, cols, rows int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	d := unsafe.Slice(dst, (rows-1)*stride+lanes)
	for r := range rows {
		clear(d[r*stride+cols : r*stride+lanes])
		for j := range cols {
			d[r*stride+j] = k.at(src, r*ld+j)
		}
	}
}

// dotGo writes the products of m rows of x with four rows of w.
func dotGo(k kind, m, n int, x *float32, ldx int, w unsafe.Pointer, ldw int, out *float32) {
	xs, o := unsafe.Slice(x, (m-1)*ldx+n), unsafe.Slice(out, 4*m)
	for i := range m {
		for j := range 4 {
			var s float32
			for p, v := range xs[i*ldx : i*ldx+n] {
				s += v * k.at(w, j*ldw+p)
			}
			o[4*i+j] = s
		}
	}
}
