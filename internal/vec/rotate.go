package vec

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/cpu"
)

// Rotate turns the pairs (a, b) = (x[i], x[i+n/2]) of one head's n values by their angles, in place (Su et al. 2021):
// (a·cos − b·sin, b·cos + a·sin). cos and sin have n/2 values.
func Rotate(x, cos, sin []float32) {
	lo, hi := halves("Rotate", x, cos, sin)
	rotate(cpu.Used, lo, hi, cos, sin)
}

// Unrotate is the inverse of Rotate and its gradient: it turns back by the same angles.
func Unrotate(x, cos, sin []float32) {
	lo, hi := halves("Unrotate", x, cos, sin)
	unrotate(cpu.Used, lo, hi, cos, sin)
}

func halves(name string, x, cos, sin []float32) (lo, hi []float32) {
	h := len(cos)
	if len(sin) != h || len(x) != 2*h {
		panic(fmt.Sprintf("vec: %s: %d values with %d cosines and %d sines", name, len(x), h, len(sin)))
	}
	return x[:h], x[h:]
}

func rotateGo(lo, hi, cos, sin []float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	for i, a := range lo {
		b, c, s := hi[i], cos[i], sin[i]
		lo[i] = float32(a*c) - float32(b*s)
		hi[i] = float32(b*c) + float32(a*s)
	}
}

func unrotateGo(lo, hi, cos, sin []float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	for i, a := range lo {
		b, c, s := hi[i], cos[i], sin[i]
		lo[i] = float32(a*c) + float32(b*s)
		hi[i] = float32(b*c) - float32(a*s)
	}
}
