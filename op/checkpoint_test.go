package op

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// layered runs layers x + down(swiglu(up(norm(x)))) and returns the losses, the gradients and the peak of the buffers.
func layered(t *testing.T, checkpoint, wantsX bool) (losses []float32, grads [][]float32, peak int) {
	t.Helper()
	const tokens, hidden, layers = 100, 32, 8
	r := rand.New(rand.NewPCG(4, 1))
	p := &Pass{Grad: true}
	defer p.Release()
	p.Checkpointing = checkpoint
	first := param(r, tokens, hidden)
	var x mat.Tensor = p.view(Data(first), false)
	params := []*nn.Param{first}
	if wantsX {
		x = identity(p, first)
	}
	before := memory.used
	ResetPeak()
	for range layers {
		up, down, norm := weight{param(r, 4*hidden, hidden)}, weight{param(r, hidden, 2*hidden)}, param(r, 1, hidden)
		inside := []*nn.Param{up.p, down.p, norm}
		params = append(params, inside...)
		x = Checkpoint(p, x, inside, func(p *Pass, x mat.Tensor) mat.Tensor {
			return Add(p, x, Linear(p, Gate(p, Linear(p, RMSNorm(p, x, Data(norm).Data, norm, 1e-5), up), SiLU), down))
		})
	}
	y := CrossEntropy(p, x, make([]int32, tokens))
	losses = slices.Clone(Matrix(y).Data)
	if err := p.Backward(y, 0.5); err != nil {
		t.Fatal(err)
	}
	for _, p := range params {
		grads = append(grads, slices.Clone(Grad(p).Data))
	}
	return losses, grads, PeakBytes() - 4*before
}

func TestCheckpointIsTheSameBits(t *testing.T) {
	for _, wantsX := range []bool{true, false} {
		losses, grads, peak := layered(t, false, wantsX)
		l, g, p := layered(t, true, wantsX)
		if !slices.Equal(l, losses) {
			t.Error("with checkpoints the losses differ")
		}
		for i := range grads {
			if !slices.Equal(g[i], grads[i]) {
				t.Errorf("with checkpoints the gradient of parameter %d differs", i)
			}
		}
		if 2*p > peak {
			t.Errorf("with checkpoints %d bytes are held, without %d", p, peak)
		}
	}
}

func TestFrozenCheckpointKeepsNothing(t *testing.T) {
	p := &Pass{Grad: true}
	defer p.Release()
	frozen := NewParam(make([]float32, 16), 4, 4).WithGrad(false)
	var x mat.Tensor = p.Zeros(8, 4)
	for range 3 {
		x = Checkpoint(p, x, []*nn.Param{frozen}, func(p *Pass, x mat.Tensor) mat.Tensor {
			return Linear(p, x, weight{frozen})
		})
	}
	if len(p.live) != 1 {
		t.Errorf("%d tensors are held, want the last", len(p.live))
	}
}

func TestPanicInCheckpointIsAnError(t *testing.T) {
	w := param(rand.New(rand.NewPCG(1, 1)), 2, 4)
	p := &Pass{Grad: true}
	defer p.Release()
	p.Checkpointing = true
	runs := 0
	y := Checkpoint(p, identity(p, w), nil, func(p *Pass, x mat.Tensor) mat.Tensor {
		if runs++; runs > 1 {
			panic("broken")
		}
		return Gate(p, x, SiLU)
	})
	if err := p.Backward(y, 1); err == nil {
		t.Error("no error for a Checkpoint that panics when it is run again")
	}
}

func TestProfile(t *testing.T) {
	w := param(rand.New(rand.NewPCG(1, 1)), 2, 4)
	p := &Pass{Grad: true}
	defer p.Release()
	p.Checkpointing, p.Profile = true, &Profile{}
	y := Checkpoint(p, identity(p, w), nil, func(p *Pass, x mat.Tensor) mat.Tensor { return Gate(p, x, SiLU) })
	if err := p.Backward(y, 1); err != nil {
		t.Fatal(err)
	}
	spent := p.Profile.Spent()
	if len(spent) != 2 || spent["swiglu"] == 0 || spent["recomputation"] == 0 {
		t.Errorf("got %v, want times of swiglu and of recomputation", spent)
	}
}
