package cpu

import (
	"slices"

	"golang.org/x/sys/cpu"
)

// Unit is what multiplies bfloat16 numbers into float32 sums, beside the kernels of AVX512.
type Unit int

// The units. Without one, operands are rounded to bfloat16 and multiplied as float32.
const (
	NoUnit  Unit = iota
	DotBF16      // AVX512-BF16's vdpbf16ps
	AMX          // AMX-BF16's tiles of 16×16
)

var unitNames = [...]string{"none", "avx512_bf16", "amx"}

func (u Unit) String() string { return unitNames[u] }

// BestUnit is the fastest way of this processor. vdpbf16ps does 2.2 times the products of float32's multiply-adds on AMD's
// Zen 5, and half of them on Intel's processors, where operands are rounded instead unless there is AMX.
var BestUnit = bestUnit()

var units = detectUnits()

func detectUnits() []Unit {
	u, x := []Unit{NoUnit}, cpu.X86
	if Best != AVX512 || !x.HasAVX512BF16 {
		return u
	}
	u = append(u, DotBF16)
	if x.HasAMXTile && x.HasAMXBF16 && permitAMX() {
		u = append(u, AMX)
	}
	return u
}

func bestUnit() Unit {
	switch {
	case slices.Contains(units, AMX):
		return AMX
	case slices.Contains(units, DotBF16) && isAMD():
		return DotBF16
	}
	return NoUnit
}

// Units returns the units that this processor can use, for tests over all of them.
func Units() []Unit { return slices.Clone(units) }
