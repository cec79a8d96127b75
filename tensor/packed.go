package tensor

import "github.com/spagotune/spagotune/internal/cpu"

// Packed is a matrix whose rows are kept as NT packs them too, which spares each product the packing. That pays where products have
// few rows, and takes 4 bytes a value, or 2 for products with bfloat16 on processors that multiply it. The matrix must not change.
type Packed struct {
	Source
	level  cpu.Level
	form   form
	kc     int
	blocks [][]float32 // by block of k: panels of rows
}

var _ Source = (*Packed)(nil)

// Pack packs B for NT, or for NTBF16. Other products, and those of a kernel that is chosen later, read the matrix itself.
func Pack(b Source, bfloat16 bool) *Packed {
	l := cpu.Used
	f := formOf(l, bfloat16)
	g, o := f.geometry(l), of(b, false)
	kc, blocks := cutK(f, g, o.k)
	p := &Packed{Source: b, level: l, form: f, kc: kc, blocks: make([][]float32, blocks)}
	size := kc * g.nr
	for kb := range p.blocks {
		panels := make([]float32, ceil(o.lanes, g.nr)*size)
		k0 := kb * kc * f.values()
		ParallelRanges(o.lanes, g.nb, func(from, to int) {
			s := scratches.get()
			o.packPanels(l, f, g, s, panels[from/g.nr*size:], size, from, to-from, k0, min(kc*f.values(), o.k-k0))
			scratches.put(s)
		})
		p.blocks[kb] = panels
	}
	return p
}

// panels are the panels of block kb from a column of C on, or nil where they are not packed as the product wants them.
func (p *Packed) panels(l cpu.Level, f form, kc, kb, col, nr int) []float32 {
	if p == nil || p.level != l || p.form != f || p.kc != kc {
		return nil
	}
	return p.blocks[kb][col/nr*kc*nr:]
}

// Bytes is the memory that the packing takes; 0 for nil.
func (p *Packed) Bytes() int {
	if p == nil {
		return 0
	}
	n := 0
	for _, b := range p.blocks {
		n += 4 * len(b)
	}
	return n
}
