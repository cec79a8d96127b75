package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// ExpSum writes exp(x−shift) to dst, which may be x, and returns the sum of dst. The difference is rounded to float32
// first, as PyTorch's softmax does; the exponential of that is right to 2 units in the last place. Below the smallest
// normal float32 it is 0, so that no denormal number ever enters a sum; -Inf gives 0, +Inf and overflow +Inf, NaN NaN.
func ExpSum(dst, x []float32, shift float32) float32 {
	same("ExpSum", len(dst), len(x))
	sum := 0.0
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		sum += float64(expSum(cpu.Used, dst[i:j], x[i:j], shift))
	}
	return float32(sum)
}

// The float32 range in which the exponential is a normal number.
const (
	expMin = -87.33654
	expMax = 88.72283
)

func expSumGo(dst, x []float32, shift float32) float32 {
	x = x[:len(dst)]
	sum := 0.0
	for i := range dst {
		e := exp(x[i] - shift)
		dst[i] = e
		sum += float64(e)
	}
	return float32(sum)
}

// exp is 2ⁿ·exp(r), n whole and |r| ≤ ln(2)/2, with the Taylor polynomial of exp(r), in float64.
func exp(x float32) float32 {
	switch {
	case x < expMin:
		return 0
	case !(x <= expMax):
		return x * float32(math.Inf(1))
	}
	const round = 3 << 51
	z := float64(x) * math.Log2E
	n := z + round // n is in the low bits
	r := (z - (n - round)) * math.Ln2
	r2 := r * r
	p := (1 + r) + r2*((1./2+r*(1./6))+r2*((1./24+r*(1./120))+r2*(1./720+r*(1./5040))))
	return float32(p * math.Float64frombits((math.Float64bits(n)+1023)<<52))
}
