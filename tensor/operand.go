package tensor

import (
	"fmt"
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// operand is a factor in the terms of packing: lanes, which become rows or columns of C, and k.
type operand struct {
	kind     kind
	f        []float32
	u        []uint16
	ld       int
	src      Source
	packed   *Packed // or nil
	kMajor   bool    // k runs down the rows; else along them
	lanes, k int
}

func ofMat(m Matrix, kMajor bool) operand {
	o := operand{kind: f32, f: m.Data, ld: m.Stride}
	o.shape(m.Rows, m.Cols, kMajor)
	return o
}

func ofHalf(k kind, data []uint16, rows, cols int, kMajor bool) operand {
	if rows < 0 || cols < 0 || len(data) < rows*cols {
		panic(fmt.Sprintf("tensor: B is %d×%d but has %d values", rows, cols, len(data)))
	}
	o := operand{kind: k, u: data, ld: cols}
	o.shape(rows, cols, kMajor)
	return o
}

func ofSource(s Source, kMajor bool) operand {
	if p, ok := s.(*Packed); ok {
		o := of(p.Source, kMajor)
		if !kMajor {
			o.packed = p
		}
		return o
	}
	o := operand{kind: other, src: s}
	rows, cols := s.Dims()
	o.shape(rows, cols, kMajor)
	return o
}

func (o *operand) shape(rows, cols int, kMajor bool) {
	o.kMajor, o.lanes, o.k = kMajor, rows, cols
	if kMajor {
		o.lanes, o.k = cols, rows
	}
}

// at is the address of value (lane, k).
func (o *operand) at(lane, k int) unsafe.Pointer {
	i := lane*o.ld + k
	if o.kMajor {
		i = k*o.ld + lane
	}
	if o.kind == f32 {
		return unsafe.Pointer(&o.f[i])
	}
	return unsafe.Pointer(&o.u[i])
}

// size is the bytes of a value.
func (o *operand) size() int {
	if o.kind == f32 {
		return 4
	}
	return 2
}

// pack writes one vector of lanes, from lane on, k in [k0,k0+kc), to dst: dst[i·stride+j] is value (lane+j, k0+i).
// Lanes past the last are zeros; so are the k up to the next multiple of 4, and dst has room up to one of kAlign.
func (o *operand) pack(l cpu.Level, f form, g *geometry, dst []float32, stride, lane, k0, kc int) {
	if f.values() == 2 {
		o.packPairs(dst, stride, lane, k0, kc)
		return
	}
	lanes := min(g.lanes, o.lanes-lane)
	if !o.kMajor {
		o.packTransposed(l, g, dst, stride, lane, lanes, k0, kc)
		return
	}
	copyRows(l, o.kind, lanes, kc, o.at(lane, k0), o.ld, &dst[0], stride)
	for i := kc; i%4 != 0; i++ {
		clear(dst[i*stride : i*stride+g.lanes])
	}
}

// packTransposed is pack for an operand whose k runs along the rows. Incomplete blocks are copied and padded with zeros first.
func (o *operand) packTransposed(l cpu.Level, g *geometry, dst []float32, stride, lane, lanes, k0, kc int) {
	block := transposeBlock(g, o.kind)
	whole := kc / block
	if lanes < g.lanes {
		whole = 0
	}
	if whole > 0 {
		transpose(l, o.kind, whole, o.at(lane, k0), o.ld, &dst[0], stride)
	}
	if whole*block == kc {
		return
	}
	var padded [16 * 16]float32 // rows of 16 float32 or of 32 uint16
	p := unsafe.Pointer(&padded)
	const ld = unsafe.Sizeof(padded) / 16
	for i := whole * block; i < kc; i += block {
		n := min(block, kc-i)
		if n < block {
			clear(padded[:])
		}
		for r := range lanes {
			q := unsafe.Add(p, uintptr(r)*ld)
			if o.kind == f32 {
				copy(unsafe.Slice((*float32)(q), n), o.f[(lane+r)*o.ld+k0+i:])
			} else {
				copy(unsafe.Slice((*uint16)(q), n), o.u[(lane+r)*o.ld+k0+i:])
			}
		}
		transpose(l, o.kind, 1, p, int(ld)/o.size(), &dst[i*stride], stride)
	}
}

// sourceLanes is the number of lanes of a Source that are read at a time: with kc they are a block of some 100 KB.
const sourceLanes = 64

// packPanels writes lanes [lane,lane+n), k in [k0,k0+kc), as panels of g.nr lanes, each size values long.
func (o *operand) packPanels(l cpu.Level, f form, g *geometry, s *scratch, dst []float32, size, lane, n, k0, kc int) {
	if o.kind == other || o.kind == f16 && f.values() == 2 {
		for i := 0; i < n; i += sourceLanes {
			o.packSource(l, f, g, s, dst[i/g.nr*size:], size, lane+i, min(sourceLanes, n-i), k0, kc)
		}
		return
	}
	step, lanes := o.packStep(kc), f.lanes(g)
	for k := 0; k < kc; k += step {
		for i := 0; i < n; i += lanes {
			at := i/g.nr*size + i%g.nr + k/f.values()*g.nr
			o.pack(l, f, g, dst[at:], g.nr, lane+i, k0+k, min(step, kc-k))
		}
	}
	if f == rounded {
		for i := 0; i < n; i += g.nr {
			roundBF16(l, dst[i/g.nr*size:][:kc*g.nr])
		}
	}
}

// packStep is the extent in k to pack before the next lanes. It is small where k runs down the rows, so that whole cache lines
// of some rows are read, and not one line of each row.
func (o *operand) packStep(kc int) int {
	if o.kMajor {
		return min(kc, 64)
	}
	return kc
}

func (o *operand) packSource(l cpu.Level, f form, g *geometry, s *scratch, dst []float32, size, lane, n, k0, kc int) {
	buf := grow(&s.block, n*kc)
	b := operand{kind: f32, f: buf, ld: kc, lanes: n, k: kc, kMajor: o.kMajor}
	src := o.src
	if o.kind == f16 {
		src = F16{Data: o.u, Rows: len(o.u) / o.ld, Cols: o.ld}
	}
	if o.kMajor {
		b.ld = n
		src.Block(buf, n, k0, lane, kc, n)
	} else {
		src.Block(buf, kc, lane, k0, n, kc)
	}
	b.packPanels(l, f, g, s, dst, size, 0, n, 0, kc)
}
