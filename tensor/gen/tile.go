package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const unroll = 4

// Registers of the tile kernels.
var (
	rK, rA, rB, rC, rLDC, rRows, rCols = reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.RCX
	rTmp, rRow                         = reg.R11, reg.R12
	rNext                              = reg.R13
)

// tile writes the micro-kernel: height rows of A against two vectors (or one) of B, the sums kept in registers.
// Lower tiles have their own loops, so that the last rows of a matrix cost no more than they must; every element's
// sum runs over k in the same order in all of them.
func (s isa) tile() {
	height, pad := 14, 16
	if s.lanes == 8 {
		height, pad = 6, 8
	}
	begin("tile"+s.name, "func(k int, a, b, c *float32, ldc, rows, cols int, beta float32, next uintptr)",
		"tile"+s.name+" is tile on panels, k rounded up to a multiple of 4.",
		map[string]reg.Register{"k": rK, "a": rA, "b": rB, "c": rC, "ldc": rLDC, "rows": rRows, "cols": rCols, "next": rNext})
	SHLQ(Imm(2), rLDC)
	for w := 2; w >= 1; w-- {
		if w == 2 {
			CMPQ(rCols, U32(s.lanes))
			JLE(LabelRef("narrow"))
		} else {
			Label("narrow")
		}
		for h := height; h > 2; h -= 2 {
			CMPQ(rRows, U32(h-2))
			JG(LabelRef(label("rows%dx%d", h, w)))
		}
		JMP(LabelRef(label("rows2x%d", w)))
	}
	for w := 2; w >= 1; w-- {
		for h := height; h > 0; h -= 2 {
			s.tileOf(h, w, pad)
		}
	}
}

func (s isa) tileOf(h, w, pad int) {
	id := label("%dx%d", h, w)
	n := len(s.v)
	b, bc := s.v[n-4:n-2], s.v[n-2:]
	Label("rows" + id)
	MOVQ(rC, rRow)
	for i := range h {
		for j := range w {
			s.zero(s.v[i*w+j])
		}
		PREFETCHT0(Mem{Base: rRow})
		if w == 2 {
			PREFETCHT0(Mem{Base: rRow, Disp: s.lanes*8 - 4})
		}
		if i < h-2 {
			ADDQ(rLDC, rRow)
		}
	}
	Label("loop" + id)
	for u := range unroll {
		for j := range w {
			VMOVUPS(Mem{Base: rB, Disp: (u*2 + j) * s.lanes * 4}, b[j])
		}
		if u%2 == 0 || s.lanes == 16 {
			PREFETCHT0(Mem{Base: rB, Disp: u*2*s.lanes*4 + prefetchB})
		}
		if s.lanes == 16 {
			PREFETCHT0(Mem{Base: rB, Disp: u*2*s.lanes*4 + 64 + prefetchB})
		}
		for i := range h {
			VBROADCASTSS(Mem{Base: rA, Disp: (u*pad + i) * 4}, bc[i%2])
			for j := range w {
				if s.pairs {
					dpbf16(bc[i%2], b[j], s.v[i*w+j])
				} else {
					VFMADD231PS(b[j], bc[i%2], s.v[i*w+j])
				}
			}
		}
		switch u {
		case 0:
			PREFETCHT1(Mem{Base: rNext})
		case 2:
			PREFETCHT1(Mem{Base: rNext, Disp: 64})
			ADDQ(U32(128), rNext)
		}
	}
	ADDQ(U32(unroll*pad*4), rA)
	ADDQ(U32(unroll*2*s.lanes*4), rB)
	SUBQ(U32(unroll), rK)
	JG(LabelRef("loop" + id))
	s.store(h, w, id)
}

const prefetchB = 1024

// store adds the sums to beta·C. A full tile and a tile cut by the right edge differ in their masks.
func (s isa) store(h, w int, id string) {
	n := len(s.v)
	beta := s.v[n-1]
	CMPQ(rCols, U32(w*s.lanes))
	JNE(LabelRef("part" + id))
	VBROADCASTSS(param("beta"), beta)
	TESTL(U32(0x7fffffff), param("beta"))
	JZ(LabelRef("zero" + id))
	s.storeRows(h, w, id, false, true)
	Label("zero" + id)
	s.storeRows(h, w, id+"z", false, false)
	Label("part" + id)
	s.masks(w)
	VBROADCASTSS(param("beta"), beta)
	TESTL(U32(0x7fffffff), param("beta"))
	JZ(LabelRef("zeropart" + id))
	s.storeRows(h, w, id+"p", true, true)
	Label("zeropart" + id)
	s.storeRows(h, w, id+"pz", true, false)
}

func (s isa) storeRows(h, w int, id string, masked, add bool) {
	n := len(s.v)
	beta, tmp := s.v[n-1], s.v[n-2]
	for i := range h {
		if i == h-1 {
			CMPQ(rRows, U32(h))
			JLT(LabelRef("done" + id))
		}
		for j := range w {
			acc, m := s.v[i*w+j], Mem{Base: rC, Disp: j * s.lanes * 4}
			k, y := []reg.OpmaskPhysical{reg.K1, reg.K2}[j], s.v[n-4+j]
			switch {
			case !masked:
				if add {
					VFMADD231PS(m, beta, acc)
				}
				VMOVUPS(acc, m)
			case s.lanes == 16:
				if add {
					VFMADD231PS(m, beta, k, acc)
				}
				VMOVUPS(acc, k, m)
			default:
				if add {
					VMASKMOVPS(m, y, tmp)
					VFMADD231PS(tmp, beta, acc)
				}
				VMASKMOVPS(acc, y, m)
			}
		}
		if i < h-1 {
			ADDQ(rLDC, rC)
		}
	}
	Label("done" + id)
	end()
}

// masks sets the masks of the w vectors of a row from the number of columns: K1 and K2, or the registers from the
// fourth last on.
func (s isa) masks(w int) {
	n := len(s.v)
	if s.lanes == 16 {
		MOVQ(U32(1), rTmp)
		SHLQ(reg.CL, rTmp)
		DECQ(rTmp)
		KMOVW(rTmp.As32(), reg.K1)
		SHRQ(Imm(16), rTmp)
		KMOVW(rTmp.As32(), reg.K2)
		return
	}
	LEAQ(edgeMask(), rTmp)
	SHLQ(Imm(2), rCols)
	SUBQ(rCols, rTmp)
	for j := range w {
		VMOVUPS(Mem{Base: rTmp, Disp: 64 + j*32}, s.v[n-4+j])
	}
}

var edgeData *Mem

// edgeMask is 16 words of ones, then 16 of zeros.
func edgeMask() Mem {
	if edgeData == nil {
		m := GLOBL("edgeMask", RODATA|NOPTR)
		for i := range 32 {
			v := U32(0)
			if i < 16 {
				v = 0xffffffff
			}
			DATA(i*4, v)
		}
		edgeData = &m
	}
	return *edgeData
}
