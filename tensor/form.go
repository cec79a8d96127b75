package tensor

import "github.com/spagotune/spagotune/internal/cpu"

// form is how the operands of a product are packed, which decides the micro-kernel.
type form uint8

const (
	exact   form = iota // float32
	rounded             // float32 with the values of bfloat16, on the kernels of exact
	paired              // pairs of bfloat16, k and k+1, in the place of a float32: AVX512-BF16
	tiled               // so B; A as rows of bfloat16: AMX
)

// formOf is the form of a product at a level.
func formOf(l cpu.Level, bfloat16 bool) form {
	switch {
	case !bfloat16:
		return exact
	case l != cpu.AVX512 || cpu.UsedUnit == cpu.NoUnit:
		return rounded
	case cpu.UsedUnit == cpu.AMX:
		return tiled
	}
	return paired
}

// tiledGeometry is AMX's: four tiles of 16×16 sums. A panel of A of 32 rows takes 32 KB.
var tiledGeometry = geometry{mr: 32, nr: 32, lanes: 32, kc: 256, nb: 128}

func (f form) geometry(l cpu.Level) *geometry {
	if f == tiled {
		return &tiledGeometry
	}
	return &geometries[l]
}

// lanes is how many lanes of B are packed at a time.
func (f form) lanes(g *geometry) int {
	if f.values() == 2 {
		return pairLanes
	}
	return g.lanes
}

// values is how many k an element of a panel holds.
func (f form) values() int {
	if f == paired || f == tiled {
		return 2
	}
	return 1
}

// NTBF16 is NT with the values of A and B rounded to bfloat16 (to nearest, ties to even; subnormal numbers are zeros); the
// sums are float32. Its results differ between processors by the order of the sums alone.
func NTBF16[S Source](c, a Matrix, b S, beta float32) {
	multiply("NTBF16", true, c, ofMat(a, false), of(b, false), a, beta)
}

// NNBF16 is NN with the values of A and B rounded to bfloat16, as in NTBF16.
func NNBF16[S Source](c, a Matrix, b S, beta float32) {
	multiply("NNBF16", true, c, ofMat(a, false), of(b, true), a, beta)
}

// TNBF16 is TN with the values of A and B rounded to bfloat16, as in NTBF16.
func TNBF16(c, a, b Matrix, beta float32) {
	b.check("B")
	multiply("TNBF16", true, c, ofMat(a, true), ofMat(b, true), a, beta)
}
