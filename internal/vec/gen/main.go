// Command gen writes the amd64 kernels of package vec: go generate in its folder.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set: its name, the floats in a vector, and its vector registers.
type isa struct {
	name  string
	lanes int
	v     []reg.VecPhysical
}

var isas = []isa{
	{"AVX512", 16, []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10,
		reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15, reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21,
		reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}},
	{"AVX2", 8, []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8,
		reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}},
}

func main() {
	constants()
	for _, s := range isas {
		s.arith()
		s.reductions()
		s.exponentials()
		s.activations()
		s.norm()
		s.layerNorm()
		s.rotations()
		s.adamW()
	}
	Generate()
}
