package op

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

func TestSpanCrossEntropy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := NewParam(uniform(r, 2*9), 9, 2)
	bounds, labels := []int{0, 4, 6, 9}, []int32{1, 3, -100, -100, 0, 0}
	tape := NewPass(false)
	defer tape.Release()
	got := Matrix(SpanCrossEntropy(tape, x, bounds, labels, -100))
	if got.Rows != 2 {
		t.Fatalf("%d losses, want 2", got.Rows)
	}
	for i, d := range []int{0, 2} {
		want := 0.0
		for c := range 2 {
			sum := 0.0
			for j := bounds[d]; j < bounds[d+1]; j++ {
				sum += math.Exp(float64(Data(x).Row(j)[c]))
			}
			want += (math.Log(sum) - float64(Data(x).Row(bounds[d] + int(labels[2*d+c]))[c])) / 2
		}
		if diff := math.Abs(want - float64(got.Data[i])); !(diff < 1e-6) {
			t.Errorf("document %d: loss %g, want %g", d, got.Data[i], want)
		}
	}
	checkGradients(t, []*nn.Param{x}, func(tape *Pass, in []mat.Tensor) mat.Tensor {
		return SpanCrossEntropy(tape, in[0], bounds, labels, -100)
	})
}

func TestTee(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x := NewParam(uniform(r, 12), 3, 4)
	checkGradients(t, []*nn.Param{x}, func(tape *Pass, in []mat.Tensor) mat.Tensor {
		a := Tee(tape, in[0])
		b := Tee(tape, a)
		return SwiGLU(tape, join3(tape, in[0], a, b))
	})
}

// join3 adds three matrices by way of three operators with two operands.
func join3(t *Pass, a, b, c mat.Tensor) mat.Tensor { return add(t, add(t, a, b), c) }

func add(t *Pass, a, b mat.Tensor) mat.Tensor {
	m := Matrix(a)
	y := t.New(m.Rows, m.Cols)
	for i := range y.m.Data {
		y.m.Data[i] = m.Data[i] + Matrix(b).Data[i]
	}
	return t.run(y, []mat.Tensor{a, b}, nil, func(gy *Tensor) []*Tensor {
		other := t.New(m.Rows, m.Cols)
		copy(other.m.Data, gy.m.Data)
		return []*Tensor{gy, other}
	})
}
