package op

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// step runs a small network forward and backward and returns its losses and a gradient.
func step(t *testing.T, seed uint64) (losses, grad []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	x, w, head := param(r, 200, 48), weight{param(r, 96, 48)}, param(r, 60, 48)
	p := &Pass{Grad: true}
	defer p.Release()
	h := identity(p, x)
	h2 := Gate(p, Linear(p, h, w), SiLU)
	rows, targets := []int{}, []int32{}
	for i := range 150 {
		rows, targets = append(rows, i), append(targets, int32(i%60))
	}
	y := FusedLinearCrossEntropy(p, h2, rows, targets, Data(head), head, nil, nil)
	losses = append(losses, Matrix(y).Data...)
	if err := p.Backward(y, 1); err != nil {
		t.Fatal(err)
	}
	return losses, append(slices.Clone(Grad(x).Data), Grad(head).Data...)
}

func TestSameBitsForAnyNumberOfThreads(t *testing.T) {
	defer tensor.SetThreads(tensor.Threads())
	tensor.SetThreads(1)
	losses, grad := step(t, 3)
	for _, n := range []int{2, 3} {
		tensor.SetThreads(n)
		l, g := step(t, 3)
		if !slices.Equal(l, losses) || !slices.Equal(g, grad) {
			t.Errorf("%d threads give other bits than one", n)
		}
	}
}

func TestPanicInBackwardIsAnError(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	p := &Pass{Grad: true}
	defer p.Release()
	x := identity(p, param(r, 2, 3))
	y := p.Apply(Operator{Operands: []mat.Tensor{x}, Rows: 2, Cols: 3, Forward: func(tensor.Matrix) {}, Backward: func(*Tensor) []*Tensor { panic("broken") }})
	if err := p.Backward(y, 1); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got error %v, want one that says broken", err)
	}
}

func TestBackwardWithoutParameters(t *testing.T) {
	p := &Pass{Grad: true}
	defer p.Release()
	if err := p.Backward(p.Zeros(1, 1), 1); err == nil {
		t.Error("no error for a loss that depends on nothing that trains")
	}
}

func TestBuffersComeBack(t *testing.T) {
	before := memory.used
	for i := range 3 {
		step(t, uint64(i))
	}
	if memory.used != before {
		t.Errorf("%d values are out after the passes, %d before", memory.used, before)
	}
	for _, s := range memory.slabs {
		if before == 0 && (len(s.free) != 1 || s.free[0].n != len(s.mem)) {
			t.Errorf("freed neighbours were not joined: %d spans", len(s.free))
		}
	}
}

func TestDropout(t *testing.T) {
	p := &Pass{}
	p.Seed = 5
	x := tensor.New(100, 50)
	for i := range x.Data {
		x.Data[i] = 1
	}
	a, b, c := tensor.New(100, 50), tensor.New(100, 50), tensor.New(100, 50)
	p.Dropout(a, x, 0.25, "layer")
	p.Dropout(b, x, 0.25, "layer")
	p.Dropout(c, x, 0.25, "other")
	zeros, same := 0, 0
	for i, v := range a.Data {
		if v == 0 {
			zeros++
		} else if v != float32(1/0.75) && v != 1/(1-float32(0.25)) {
			t.Fatalf("kept value is %v", v)
		}
		if v == c.Data[i] {
			same++
		}
	}
	if !slices.Equal(a.Data, b.Data) {
		t.Error("the mask is not the same a second time")
	}
	if zeros < 1150 || zeros > 1350 {
		t.Errorf("%d of 5000 values dropped, want about 1250", zeros)
	}
	if same > 4000 {
		t.Errorf("the masks of two layers agree in %d of 5000 values", same)
	}
}
