package op

import (
	"math"
	"sync"
)

// RoPE holds the rotary positions of a model (Su et al. 2021), computed in float32 as transformers does: the angle of position
// p and pair i is p·InvFreq[i].
type RoPE struct {
	// InvFreq has a frequency for each pair of values, of which one is in each half of a head.
	InvFreq []float32

	mu       sync.Mutex
	cos, sin []float32 // positions × len(InvFreq)
}

// table returns cos and sin for positions below n.
func (r *RoPE) table(n int) (cos, sin []float32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	half := len(r.InvFreq)
	have := len(r.cos) / half
	if have < n {
		n = max(n, min(2*have, have+4096))
		cos := append(make([]float32, 0, n*half), r.cos...)
		sin := append(make([]float32, 0, n*half), r.sin...)
		for p := have; p < n; p++ {
			for _, f := range r.InvFreq {
				s, c := math.Sincos(float64(float32(p) * f))
				cos, sin = append(cos, float32(c)), append(sin, float32(s))
			}
		}
		r.cos, r.sin = cos, sin
	}
	return r.cos, r.sin
}
