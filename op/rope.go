package op

import (
	"math"
	"sync"

	"github.com/spagotune/spagotune/internal/vec"
)

// RoPE holds the rotary positions of a model (Su et al. 2021), computed in float32 as transformers does: the angle of position
// p and pair i is p·InvFreq[i].
type RoPE struct {
	// InvFreq has a frequency for each pair of values: value i of a head and value i+len(InvFreq). What a head has beyond
	// 2·len(InvFreq) values is not rotated (partial rotary positions).
	InvFreq []float32
	// Interleaved says that pair i is values 2i and 2i+1 of a head, as in Su et al.
	Interleaved bool
	// Scale multiplies the rotated values: the attention factor of YaRN and LongRoPE. 0 counts as 1.
	Scale float32
	// Long, where not nil, returns the frequencies for a document of n tokens, those in its cache included, where n is more
	// than Original. It is called by several goroutines.
	Long     func(n int) []float32
	Original int

	mu       sync.Mutex
	cos, sin []float32            // positions × len(InvFreq)
	long     map[[2]int]ropeTable // by the tokens of a document and the first position of the table
	kept     int                  // values in long
}

// ropeTable has cosines and sines, each times Scale: a row of len(InvFreq) for each position from a first one on.
type ropeTable struct{ cos, sin []float32 }

// maxLong is the most values that the tables of long documents keep.
const maxLong = 1 << 22

// table returns the angles of positions first to n-1 in a document of n tokens.
func (r *RoPE) table(first, n int) ropeTable {
	r.mu.Lock()
	defer r.mu.Unlock()
	half := len(r.InvFreq)
	if r.Long == nil || n <= r.Original {
		if have := len(r.cos) / half; have < n {
			r.cos, r.sin = r.angles(r.cos, r.sin, r.InvFreq, have, max(n, min(2*have, have+4096)))
		}
		return ropeTable{r.cos[first*half:], r.sin[first*half:]}
	}
	key := [2]int{n, first}
	t, ok := r.long[key]
	if !ok {
		t.cos, t.sin = r.angles(nil, nil, r.Long(n), first, n)
		if r.kept += len(t.cos); r.long == nil || r.kept > maxLong {
			r.long, r.kept = map[[2]int]ropeTable{}, len(t.cos)
		}
		r.long[key] = t
	}
	return t
}

// angles appends the rows of positions first to n-1.
func (r *RoPE) angles(cos, sin, freq []float32, first, n int) (newCos, newSin []float32) {
	rows := n - first
	newCos = append(make([]float32, 0, len(cos)+rows*len(freq)), cos...)
	newSin = append(make([]float32, 0, len(sin)+rows*len(freq)), sin...)
	scale := r.scale()
	for p := first; p < n; p++ {
		for _, f := range freq {
			s, c := math.Sincos(float64(float32(p) * f))
			newCos, newSin = append(newCos, float32(c)*scale), append(newSin, float32(s)*scale)
		}
	}
	return newCos, newSin
}

func (r *RoPE) scale() float32 {
	if r.Scale == 0 {
		return 1
	}
	return r.Scale
}

// rotate turns the pairs of x, the values of a head that are rotated, by the angles of a table of r.
func (r *RoPE) rotate(x, cos, sin []float32) {
	if !r.Interleaved {
		vec.Rotate(x, cos, sin)
		return
	}
	for i, c := range cos {
		a, b := x[2*i], x[2*i+1]
		x[2*i], x[2*i+1] = a*c-b*sin[i], b*c+a*sin[i]
	}
}

// unrotate is the gradient of rotate: the same by the opposite angles.
func (r *RoPE) unrotate(x, cos, sin []float32) {
	if !r.Interleaved {
		vec.Unrotate(x, cos, sin)
		return
	}
	for i, c := range cos {
		a, b := x[2*i], x[2*i+1]
		x[2*i], x[2*i+1] = a*c+b*sin[i], b*c-a*sin[i]
	}
}

// undo is the inverse of rotate, which multiplies by Scale.
func (r *RoPE) undo(x, cos, sin []float32) {
	r.unrotate(x, cos, sin)
	if s := r.scale(); s != 1 {
		vec.Scale(x, 1/(s*s), x)
	}
}
