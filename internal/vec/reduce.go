package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// Dot is the sum of a·b.
func Dot(a, b []float32) float32 {
	same("Dot", len(a), len(b))
	sum := 0.0
	for i := 0; i < len(a); i += block {
		j := min(i+block, len(a))
		sum += float64(dot(cpu.Used, a[i:j], b[i:j]))
	}
	return float32(sum)
}

// Sum is the sum of x.
func Sum(x []float32) float32 {
	sum := 0.0
	for i := 0; i < len(x); i += block {
		sum += float64(sumOf(cpu.Used, x[i:min(i+block, len(x))]))
	}
	return float32(sum)
}

// SumSquares is the sum of x², in float64.
func SumSquares(x []float32) (sum float64) {
	for i := 0; i < len(x); i += block {
		sum += sumSquares(cpu.Used, x[i:min(i+block, len(x))])
	}
	return sum
}

// Max is the largest of x. It leaves out NaNs, and is -Inf if nothing is left.
func Max(x []float32) float32 {
	m := float32(math.Inf(-1))
	for i := 0; i < len(x); i += block {
		m = max(m, maxOf(cpu.Used, x[i:min(i+block, len(x))]))
	}
	return m
}

// HasNonFinite says whether there is a NaN or an infinity in x.
func HasNonFinite(x []float32) bool {
	for i := 0; i < len(x); i += block {
		if nonFinite(cpu.Used, x[i:min(i+block, len(x))]) != 0 {
			return true
		}
	}
	return false
}

func dotGo(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func sumGo(x []float32) float32 {
	var s0, s1, s2, s3 float32
	for ; len(x) >= 4; x = x[4:] {
		s0 += x[0]
		s1 += x[1]
		s2 += x[2]
		s3 += x[3]
	}
	for _, v := range x {
		s0 += v
	}
	return (s0 + s1) + (s2 + s3)
}

func sumSquaresGo(x []float32) float64 {
	var s0, s1 float64
	for ; len(x) >= 2; x = x[2:] {
		a, b := float64(x[0]), float64(x[1])
		s0 += a * a
		s1 += b * b
	}
	for _, v := range x {
		s0 += float64(v) * float64(v)
	}
	return s0 + s1
}

func maxGo(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

// nonFiniteGo is not 0 if there is a NaN or an infinity in x.
func nonFiniteGo(x []float32) int {
	const exponent = 0xff << 23
	for _, v := range x {
		if math.Float32bits(v)&exponent == exponent {
			return 1
		}
	}
	return 0
}
