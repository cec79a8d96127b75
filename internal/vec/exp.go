package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// ExpSum writes exp(x−shift) to dst, which may be x, and returns the sum of dst. The difference is rounded to float32
// first, as PyTorch's softmax does; the exponential of that is right to 2 units in the last place. Below the smallest
// normal float32 it is 0, so that no denormal number ever enters a sum; -Inf gives 0, +Inf and overflow +Inf, NaN NaN.
func ExpSum(dst, x []float32, shift float32) (sum float32) {
	same("ExpSum", len(dst), len(x))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		sum += expSum(cpu.Used, dst[i:j], x[i:j], shift)
	}
	return sum
}

// The float32 range in which the exponential is a normal number.
const (
	expMin = -87.33654
	expMax = 88.72283
)

func expSumGo(dst, x []float32, shift float32) (sum float32) {
	x = x[:len(dst)]
	for i := range dst {
		e := exp(x[i] - shift)
		dst[i] = e
		sum += e
	}
	return sum
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
	n := z + round - round
	r := (z - n) * math.Ln2
	p := 1 + r*(1+r*(1./2+r*(1./6+r*(1./24+r*(1./120+r*(1./720+r*(1./5040)))))))
	return float32(p * math.Float64frombits(uint64(int64(n)+1023)<<52))
}
