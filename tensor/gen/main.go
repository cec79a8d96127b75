// Command gen writes the amd64 kernels of package tensor: go generate in its folder.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set: its name, the floats in a vector, and its vector registers.
type isa struct {
	name  string
	lanes int
	v     []reg.VecPhysical
	pairs bool // of bfloat16 numbers, for the tile alone
}

var (
	avx512 = isa{name: "AVX512", lanes: 16, v: []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10,
		reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15, reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21,
		reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}}
	avx2 = isa{name: "AVX2", lanes: 8, v: []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8,
		reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}}
)

// kind is a storage of numbers: its name, its Go type and its bytes per value.
type kind struct {
	name, typ string
	bytes     int
}

var (
	f32   = kind{"F32", "float32", 4}
	bf16  = kind{"BF16", "uint16", 2}
	f16   = kind{"F16", "uint16", 2}
	kinds = []kind{f32, bf16, f16}
)

// load widens one vector of values at m into register r.
func (s isa) load(k kind, m Mem, r reg.VecPhysical) {
	switch k.name {
	case "F32":
		VMOVUPS(m, r)
	case "BF16":
		VPMOVZXWD(m, r)
		VPSLLD(Imm(16), r, r)
	case "F16":
		VCVTPH2PS(m, r)
	}
}

func (s isa) zero(r reg.VecPhysical) {
	if s.lanes == 16 {
		VPXORD(r, r, r)
		return
	}
	VXORPS(r, r, r)
}

// begin opens a function and loads its parameters into the registers given.
func begin(name, sig, doc string, regs map[string]reg.Register) {
	TEXT(name, NOSPLIT, sig)
	Pragma("noescape")
	Doc(doc)
	for _, p := range []string{"k", "rows", "blocks", "n", "src", "ld", "dst", "stride", "a", "b", "c", "ldc", "cols", "x", "ldx", "w", "ldw", "out", "next"} {
		if r, ok := regs[p]; ok {
			Load(Param(p), r)
		}
	}
}

func end() {
	VZEROUPPER()
	RET()
}

func main() {
	for _, s := range []isa{avx512, avx2} {
		s.tile()
		for _, k := range kinds {
			s.transpose(k)
			s.copyRows(k)
			if s.lanes == 16 || k == f32 {
				s.copyEdge(k)
			}
			s.dot(k, 1)
			s.dot(k, 2)
		}
		s.peak()
		s.round()
		s.narrowF16()
	}
	paired := avx512
	paired.name, paired.pairs = "BF16AVX512", true
	paired.tile()
	paired.peak()
	avx512.pairsF32()
	avx512.merge(f32)
	avx512.merge(bf16)
	avx512.narrow()
	tileAMX()
	peakAMX()
	Generate()
}

func label(f string, args ...any) string { return fmt.Sprintf(f, args...) }

// param is the address of a parameter.
func param(name string) Mem {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}
