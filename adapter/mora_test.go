package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// closedForm is ΔW[i,j] for k inputs and d outputs, by the equations of arXiv 2405.12130, for every type.
func closedForm(kind MoRAType, m tensor.Matrix, k, d, i, j int) float64 {
	q := m.Rows
	n := (k + q - 1) / q
	p := n*q - k
	at := func(u, v int) float64 { return float64(m.Row(u)[v]) }
	run := func(place, places int) int { // the run of neighbours of a place
		long, short := places%q, places/q
		if place < long*(short+1) {
			return place / (short + 1)
		}
		return long + (place-long*(short+1))/short
	}
	shared := func(u int) float64 {
		v := at(u, j%q)
		if j < p {
			v += at(u, (k+j)%q)
		}
		return v
	}
	block := func(turned func(b, u, v int) float64) float64 {
		i := i % (n * q)
		b, u, sum := i/q, i%q, 0.0
		if j/q == b {
			sum += turned(b, u, j%q)
		}
		if b == n-1 && j < p {
			sum += turned(b, u, (k+j)%q)
		}
		return sum
	}
	switch kind {
	case Sharing:
		return shared(i % q)
	case Neighbours:
		return at(run(i, d), run(j, k))
	case NeighboursTiled:
		return at(i%q, run(j, k))
	case StridedNeighbours:
		return shared(run(i, d))
	case Truncation:
		if i < q && j < q {
			return at(i, j)
		}
		return 0
	case Decouple:
		return block(func(_, u, v int) float64 { return at(u, v) })
	}
	h := q / 2
	return block(func(b, u, v int) float64 {
		sin, cos := math.Sincos(float64(b) * math.Pow(10000, -2*float64(v%h)/float64(q)))
		if v < h {
			return cos*at(u, v) + sin*at(u, v+h)
		}
		return cos*at(u, v) - sin*at(u, v-h)
	})
}

func TestClosedForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for kind := range moraNames {
		if kind == Auto {
			continue // is one of the others
		}
		for _, s := range sizes {
			for _, r := range []int{1, 2, 5} {
				m := &MoRA{Common: Common{TargetModules: AllLinear}, R: r, Type: kind}
				adapted, err := m.Adapt(bareLinear(s[0], s[1], 1), rng)
				if err != nil {
					continue
				}
				stir(rng, adapted)
				a := adapted.(*mora)
				d, k := s[0], s[1]
				want, w, y := tensor.New(d, k), tensor.New(d, k), tensor.New(k, d)
				a.MergeInto(w, 0, 0)
				a.Forward(y, identity(k))
				applied := tensor.New(d, k)
				for i := range d {
					for j := range k {
						want.Row(i)[j] = float32(closedForm(kind, op.Data(a.m), k, d, i, j))
						applied.Row(i)[j] = y.Row(j)[i]
					}
				}
				name := fmt.Sprintf("%s %d×%d r %d", kind, d, k, r)
				golden.Close(t, name+": MergeInto", w.Data, want.Data, 1e-5, true)
				golden.Close(t, name+": Forward(I)", applied.Data, want.Data, 1e-5, true)
			}
		}
	}
}

func TestSides(t *testing.T) {
	for _, tt := range []struct {
		kind             MoRAType
		in, out, r, want int
	}{
		{Sharing, 576, 1536, 8, 130}, {Rotation, 576, 1536, 8, 130}, {Sharing, 576, 576, 8, 96}, {Rotation, 61, 67, 1, 10},
		{Decouple, 61, 67, 1, 11}, {Sharing, 4096, 4096, 8, 256}, {Sharing, 4096, 11008, 8, 348}, {Rotation, 4096, 11008, 256, 1966},
	} {
		if got := tt.kind.rhat(tt.in, tt.out, tt.r); got != tt.want {
			t.Errorf("r̂ of %s for %d+%d at r %d: got %d, want %d", tt.kind, tt.in, tt.out, tt.r, got, tt.want)
		}
	}
}

// TestNoAllocation: MergeInto allocates nothing.
func TestNoAllocation(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, kind := range []MoRAType{Sharing, Neighbours, Rotation} {
		a := bare(t, &MoRA{Common: Common{TargetModules: AllLinear}, R: 8, Type: kind}, 192, 576)
		w := random(rng, 64, 288)
		if n := testing.AllocsPerRun(20, func() { a.MergeInto(w, 64, 288) }); n > 0 {
			t.Errorf("%s: MergeInto allocates %g times", kind, n)
		}
	}
}
