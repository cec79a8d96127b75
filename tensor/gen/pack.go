package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes dst[k][i] = src[i][k] for a vector of rows i; a block has as many k as a register of loaded values.
// bf16 values are shuffled in pairs and split at the end, which halves the shuffles.
func (s isa) transpose(k kind) {
	name := "transpose" + k.name + s.name
	begin(name, "func(blocks int, src *"+k.typ+", ld int, dst *float32, stride int)",
		name+" transposes rows of src into columns of dst, in blocks.",
		map[string]reg.Register{"blocks": rK, "src": rA, "ld": rLDC, "dst": rC, "stride": rCols})
	if k.bytes == 4 {
		SHLQ(Imm(2), rLDC)
	} else {
		SHLQ(Imm(1), rLDC)
	}
	SHLQ(Imm(2), rCols)
	ptr := []reg.GPPhysical{rA, reg.R11, reg.R12, reg.R13}[:s.lanes/4]
	LEAQ(Mem{Base: rLDC, Index: rLDC, Scale: 2}, reg.R10)
	for i := 1; i < len(ptr); i++ {
		LEAQ(Mem{Base: ptr[i-1], Index: rLDC, Scale: 4}, ptr[i])
	}
	// row is the address of row i, c bytes on.
	row := func(i, c int) Mem {
		m := Mem{Base: ptr[i/4], Disp: c}
		switch i % 4 {
		case 1, 2:
			m.Index, m.Scale = rLDC, uint8(i%4)
		case 3:
			m.Index, m.Scale = reg.R10, 1
		}
		return m
	}
	Label("loop")
	var out []reg.VecPhysical
	step := s.lanes * 4
	if k.name == "F16" {
		step = s.lanes * 2
		out = s.transposeLoaded(func(i int) { VCVTPH2PS(row(i, 0), s.v[i]) })
	} else {
		out = s.transposeLoading(row)
	}
	for _, p := range ptr {
		ADDQ(U32(step), p)
	}
	s.storeColumns(k, out)
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}

func (s isa) storeColumns(k kind, out []reg.VecPhysical) {
	tmp := s.v[s.lanes]
	for _, r := range out {
		if k.name != "BF16" {
			VMOVUPS(r, Mem{Base: rC})
			ADDQ(rCols, rC)
			continue
		}
		VPSLLD(Imm(16), r, tmp)
		VMOVUPS(tmp, Mem{Base: rC})
		VPSRLD(Imm(16), r, r)
		VPSLLD(Imm(16), r, r)
		VMOVUPS(r, Mem{Base: rC, Index: rCols, Scale: 1})
		LEAQ(Mem{Base: rC, Index: rCols, Scale: 2}, rC)
	}
}

// quads transposes 4×4 blocks inside the 128-bit lanes of v, by way of the registers t.
func quads(v, t []reg.VecPhysical) {
	for i := 0; i < len(v); i += 4 {
		VUNPCKLPS(v[i+1], v[i], t[i])
		VUNPCKHPS(v[i+1], v[i], t[i+1])
		VUNPCKLPS(v[i+3], v[i+2], t[i+2])
		VUNPCKHPS(v[i+3], v[i+2], t[i+3])
	}
	for i := 0; i < len(v); i += 4 {
		VUNPCKLPD(t[i+2], t[i], v[i])
		VUNPCKHPD(t[i+2], t[i], v[i+1])
		VUNPCKLPD(t[i+3], t[i+1], v[i+2])
		VUNPCKHPD(t[i+3], t[i+1], v[i+3])
	}
}

// transposeLoading puts the lanes in place as it loads them (4 columns of a row are a lane), which leaves only the
// transposing of 4×4 blocks to shuffles.
func (s isa) transposeLoading(row func(i, c int) Mem) []reg.VecPhysical {
	n := s.lanes
	for g := range n / 4 {
		for r := range 4 {
			v := s.v[4*g+r]
			VMOVUPS(row(r, 16*g), v.AsX())
			for q := 1; q < n/4; q++ {
				if n == 16 {
					VINSERTF32X4(Imm(uint64(q)), row(4*q+r, 16*g), v, v)
				} else {
					VINSERTF128(Imm(1), row(4*q+r, 16*g), v, v)
				}
			}
		}
	}
	quads(s.v[:n], s.v[n:2*n])
	return s.v[:n]
}

// transposeLoaded transposes rows that load brings whole.
func (s isa) transposeLoaded(load func(i int)) []reg.VecPhysical {
	n := s.lanes
	for i := range n {
		load(i)
	}
	v, t := s.v[:n], s.v[n:2*n]
	quads(v, t)
	if n == 8 {
		for j := range 4 {
			VPERM2F128(Imm(0x20), v[4+j], v[j], t[j])
			VPERM2F128(Imm(0x31), v[4+j], v[j], t[4+j])
		}
		return t
	}
	out := make([]reg.VecPhysical, 16)
	for j := range 4 {
		a, b, c, d := v[j], v[4+j], v[8+j], v[12+j]
		x0, x1, y0, y1 := t[4*j], t[4*j+1], t[4*j+2], t[4*j+3]
		VSHUFF32X4(Imm(0x88), b, a, x0)
		VSHUFF32X4(Imm(0xdd), b, a, x1)
		VSHUFF32X4(Imm(0x88), d, c, y0)
		VSHUFF32X4(Imm(0xdd), d, c, y1)
		VSHUFF32X4(Imm(0x88), y0, x0, a)
		VSHUFF32X4(Imm(0x88), y1, x1, b)
		VSHUFF32X4(Imm(0xdd), y0, x0, c)
		VSHUFF32X4(Imm(0xdd), y1, x1, d)
		out[j], out[4+j], out[8+j], out[12+j] = a, b, c, d
	}
	return out
}

// copyRows widens a vector from each row of src into each row of dst.
func (s isa) copyRows(k kind) {
	name := "copy" + k.name + s.name
	begin(name, "func(rows int, src *"+k.typ+", ld int, dst *float32, stride int)",
		name+" widens one vector of each row of src into dst.",
		map[string]reg.Register{"rows": rK, "src": rA, "ld": rLDC, "dst": rC, "stride": rCols})
	if k.bytes == 4 {
		SHLQ(Imm(2), rLDC)
	} else {
		SHLQ(Imm(1), rLDC)
	}
	SHLQ(Imm(2), rCols)
	Label("loop")
	s.load(k, Mem{Base: rA}, s.v[0])
	VMOVUPS(s.v[0], Mem{Base: rC})
	ADDQ(rLDC, rA)
	ADDQ(rCols, rC)
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}

// copyEdge is copyRows for the first cols values of a vector; the rest become zeros.
func (s isa) copyEdge(k kind) {
	name := "edge" + k.name + s.name
	begin(name, "func(rows int, src *"+k.typ+", ld int, dst *float32, stride, cols int)",
		name+" widens the first cols values of a vector of each row of src into dst, the rest zeros.",
		map[string]reg.Register{"rows": rK, "src": rA, "ld": rLDC, "dst": rC, "stride": rB, "cols": rCols})
	if k.bytes == 4 {
		SHLQ(Imm(2), rLDC)
	} else {
		SHLQ(Imm(1), rLDC)
	}
	SHLQ(Imm(2), rB)
	s.masks(1)
	v := s.v[0]
	Label("loop")
	switch {
	case s.lanes == 8:
		VMASKMOVPS(Mem{Base: rA}, s.v[len(s.v)-4], v)
	case k.name == "F32":
		VMOVUPS_Z(Mem{Base: rA}, reg.K1, v)
	case k.name == "BF16":
		VPMOVZXWD_Z(Mem{Base: rA}, reg.K1, v)
		VPSLLD(Imm(16), v, v)
	case k.name == "F16":
		VCVTPH2PS_Z(Mem{Base: rA}, reg.K1, v)
	}
	VMOVUPS(v, Mem{Base: rC})
	ADDQ(rLDC, rA)
	ADDQ(rB, rC)
	DECQ(rK)
	JNZ(LabelRef("loop"))
	end()
}
