package main

import (
	"math"
	"strconv"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// kernel is a function over slices of equal length while it is written.
type kernel struct {
	isa
	used  int                       // how many vector registers are taken, from the first on
	slice map[string]reg.GPPhysical // the slices' first values
	tail  bool                      // the current vector is the last, masked one
	mask  reg.VecPhysical           // AVX2's mask of the tail
	known map[float64]Op            // the constants that are in registers
}

// The registers for the number of values, the index of the current vector, the end of a loop, and the mask of the tail.
var (
	rN, rI, rEnd = reg.RCX, reg.RAX, reg.RDX
	kTail        = reg.K1
	rSlices      = []reg.GPPhysical{reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10}
)

// begin opens a function and loads its slices.
func (s isa) begin(name, sig, doc string, slices ...string) *kernel {
	name += s.name
	TEXT(name, NOSPLIT, sig)
	Doc(name + " " + doc)
	Pragma("noescape")
	k := &kernel{isa: s, slice: map[string]reg.GPPhysical{}, known: map[float64]Op{}}
	for i, p := range slices {
		k.slice[p] = rSlices[i]
		Load(Param(p).Base(), rSlices[i])
	}
	Load(Param(slices[0]).Len(), rN)
	if s.lanes == 8 {
		k.mask = k.reg()
	}
	return k
}

func end() {
	VZEROUPPER()
	RET()
}

// reg takes a vector register.
func (k *kernel) reg() reg.VecPhysical {
	k.used++
	return k.v[k.used-1]
}

func (k *kernel) regs(n int) []reg.VecPhysical {
	k.used += n
	return k.v[k.used-n : k.used]
}

func (k *kernel) zero(rs ...reg.VecPhysical) {
	for _, r := range rs {
		if k.lanes == 16 {
			VPXORD(r, r, r)
		} else {
			VXORPS(r, r, r)
		}
	}
}

// param broadcasts a scalar parameter.
func (k *kernel) param(name string) reg.VecPhysical {
	r := k.reg()
	VBROADCASTSS(k.addr(Param(name)), r)
	return r
}

func (k *kernel) addr(c gotypes.Component) Mem {
	b, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// each writes body for every vector of the slices: in a loop of unroll vectors, then one by one, then masked. i says
// which vector of the unrolled loop it is.
func (k *kernel) each(unroll int, body func(i int)) {
	XORL(rI.As32(), rI.As32())
	if unroll > 1 {
		k.loop("many", "one", unroll, body)
	}
	Label("one")
	k.loop("single", "tail", 1, body)
	Label("tail")
	SUBQ(rI, rN)
	JE(LabelRef("done"))
	if k.lanes == 16 {
		MOVL(U32(1), rEnd.As32())
		SHLL(reg.CL, rEnd.As32())
		DECL(rEnd.As32())
		KMOVW(rEnd.As32(), kTail)
	} else {
		LEAQ(masks.Offset(32), rEnd)
		NEGQ(rN)
		VMOVUPS(Mem{Base: rEnd, Index: rN, Scale: 4}, k.mask)
	}
	k.tail = true
	body(0)
	Label("done")
}

func (k *kernel) loop(name, next string, unroll int, body func(i int)) {
	MOVQ(rN, rEnd)
	SUBQ(U32(unroll*k.lanes), rEnd)
	CMPQ(rI, rEnd)
	JG(LabelRef(next))
	Label(name)
	for i := range unroll {
		body(i)
	}
	ADDQ(U32(unroll*k.lanes), rI)
	CMPQ(rI, rEnd)
	JLE(LabelRef(name))
}

func (k *kernel) at(name string, i int) Mem {
	return Mem{Base: k.slice[name], Index: rI, Scale: 4, Disp: i * k.lanes * 4}
}

// load reads vector i of a slice; the tail's missing values are 0.
func (k *kernel) load(name string, i int, r reg.VecPhysical) {
	switch {
	case !k.tail:
		VMOVUPS(k.at(name, i), r)
	case k.lanes == 16:
		VMOVUPS_Z(k.at(name, i), kTail, r)
	default:
		VMASKMOVPS(k.at(name, i), k.mask, r)
	}
}

func (k *kernel) store(r reg.VecPhysical, name string, i int) {
	switch {
	case !k.tail:
		VMOVUPS(r, k.at(name, i))
	case k.lanes == 16:
		VMOVUPS(r, kTail, k.at(name, i))
	default:
		VMASKMOVPS(r, k.mask, k.at(name, i))
	}
}

// inTail sets the values of r outside of the tail to those of other.
func (k *kernel) inTail(r, other reg.VecPhysical) {
	switch {
	case !k.tail:
	case k.lanes == 16:
		VBLENDMPS(r, other, kTail, r)
	default:
		VBLENDVPS(k.mask, r, other, r)
	}
}

// reduce folds registers, then the lanes of the first, in a fixed order; the result is its lowest value. The
// sixteenth register is scratch.
func (k *kernel) reduce(fold func(a, b, dst Op), rs ...reg.VecPhysical) {
	for n := len(rs) / 2; n > 0; n /= 2 {
		for i := range n {
			fold(rs[i+n], rs[i], rs[i])
		}
	}
	r, t := rs[0], k.v[15]
	if k.lanes == 16 {
		VEXTRACTF64X4(Imm(1), r, t.AsY())
		fold(t.AsY(), r.AsY(), r.AsY())
	}
	VEXTRACTF128(Imm(1), r.AsY(), t.AsX())
	fold(t.AsX(), r.AsX(), r.AsX())
	VPERMILPD(Imm(1), r.AsX(), t.AsX())
	fold(t.AsX(), r.AsX(), r.AsX())
}

// reduce32 is reduce for float32, whose vectors have one more step.
func (k *kernel) reduce32(fold func(a, b, dst Op), rs ...reg.VecPhysical) {
	k.reduce(fold, rs...)
	r, t := rs[0], k.v[15]
	VMOVSHDUP(r.AsX(), t.AsX())
	fold(t.AsX(), r.AsX(), r.AsX())
}

func addPS(a, b, dst Op) { VADDPS(a, b, dst) }
func addPD(a, b, dst Op) { VADDPD(a, b, dst) }
func maxPS(a, b, dst Op) { VMAXPS(a, b, dst) }

// result returns the lowest float32 of r.
func (k *kernel) result(r reg.VecPhysical) {
	VMOVSS(r.AsX(), k.addr(ReturnIndex(0)))
	end()
}

// masks are eight words of ones before eight of zeros; the table of constants has each of them eight times.
var (
	masks Mem
	table = map[float64]Mem{}
)

func constants() {
	masks = GLOBL("masks", attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(4*i, U32(uint32(0xffffffff*(1-i/8))))
	}
	for i, c := range append(expConstants, activationConstants...) {
		if _, ok := table[c]; ok {
			continue
		}
		m := GLOBL("const"+strconv.Itoa(i), attr.RODATA|attr.NOPTR)
		for j := range 8 {
			if c == signBit {
				DATA(4*j, U32(1<<31))
				continue
			}
			DATA(4*j, U32(math.Float32bits(float32(c))))
		}
		table[c] = m
	}
}

// constant is c in every lane: in a register as long as there is one, then (with eight lanes) in memory.
func (k *kernel) constant(c float64) Op {
	if k.known[c] == nil {
		m, ok := table[c]
		if !ok {
			panic("not in the table of constants")
		}
		k.known[c] = m
		if k.used < len(k.v) {
			r := k.reg()
			VBROADCASTSS(m, r)
			k.known[c] = r
		} else if k.lanes == 16 {
			panic("no register left for a constant")
		}
	}
	return k.known[c]
}
