package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// TestManyReaders: a value may have any number of readers, and its gradient has the same bits every time.
func TestManyReaders(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x := NewParam(uniform(r, 1200), 100, 12)
	f := func(p *Pass, x mat.Tensor) mat.Tensor {
		a, b, c := Activate(p, x, Tanh), Activate(p, x, SiLU), Activate(p, x, GELU)
		return Add(p, Add(p, a, Add(p, b, x)), Add(p, c, x))
	}
	checkGradients(t, []*nn.Param{NewParam(uniform(r, 12), 3, 4)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return f(p, in[0]) })
	var first []float32
	for range 20 {
		x.ZeroGrad()
		p := &Pass{Grad: true}
		y := Checkpoint(p, identity(p, x), []*nn.Param{x}, f)
		if err := p.Backward(y, 0.3); err != nil {
			t.Fatal(err)
		}
		p.Release()
		if first == nil {
			first = slices.Clone(Grad(x).Data)
		}
		if !slices.Equal(first, Grad(x).Data) {
			t.Fatal("another run gives other bits")
		}
	}
}

// TestBuffersInACheckpoint: without gradients a buffer comes back after its last reader, and a sum takes one of its operands'
// buffers; with gradients cheap values that only Linear reads are dropped.
func TestBuffersInACheckpoint(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const rows, n = 10, 16 // a buffer has 160 values
	up, down, norm := weight{param(r, 2*n, n)}, weight{param(r, n, n)}, uniform(r, n)
	layer := func(p *Pass, x mat.Tensor) mat.Tensor {
		return Add(p, x, GatedMLP(p, RMSNorm(p, x, norm, nil, 1e-5), SiLU, up, weight{NewParam(uniform(r, 0), 0, n)}, down))
	}
	for _, c := range []struct {
		grad bool
		most int // buffers of rows×n values at the peak
		kept int // and when the Checkpoint has returned
	}{
		// x, the norm, and gates twice as wide.
		{grad: false, most: 4, kept: 1},
		// x, gates and the sum; the norm, its factors (1/16) and the gated values come and go.
		{grad: true, most: 5, kept: 4},
	} {
		p := &Pass{Grad: c.grad}
		before := memory.used
		x := p.New(rows, n)
		copy(x.m.Data, uniform(r, rows*n))
		x.SetRequiresGrad(c.grad)
		ResetPeak()
		Checkpoint(p, x, nil, layer)
		peak, kept := PeakBytes()/4-before, memory.used-before
		if low, high := c.most*rows*n, c.most*rows*n+2*rows*n/10; peak < low || peak > high {
			t.Errorf("grad %t: %d values at the peak, want %d", c.grad, peak, low)
		}
		if low, high := c.kept*rows*n, c.kept*rows*n+2*rows*n/10; kept < low || kept > high {
			t.Errorf("grad %t: %d values are kept, want %d", c.grad, kept, low)
		}
		p.Release()
	}
}

// TestContentInsideACheckpoint: reading a value inside of a Checkpoint runs the operators before it.
func TestContentInsideACheckpoint(t *testing.T) {
	p := &Pass{}
	defer p.Release()
	x := p.Zeros(2, 2)
	var inside tensor.Matrix
	y := Checkpoint(p, x, nil, func(p *Pass, x mat.Tensor) mat.Tensor {
		h := Activate(p, x, ReLU)
		inside = Matrix(h)
		return Add(p, h, h)
	})
	if len(inside.Data) != 4 || len(Matrix(y).Data) != 4 {
		t.Errorf("%d and %d values, want 4 each", len(inside.Data), len(Matrix(y).Data))
	}
}

// TestFootprint compares estimates with what passes hold.
func TestFootprint(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		t.Run(fmt.Sprintf("bf16 %t", bf16), func(t *testing.T) { footprint(t, bf16) })
	}
}

func footprint(t *testing.T, bf16 bool) {
	r := rand.New(rand.NewPCG(5, 6))
	const rows, n = 100, 16
	qkv, out, up, gate, down, norm := weight{param(r, 3*n, n)}, weight{param(r, n, n)}, weight{param(r, 3*n, n)}, weight{param(r, 3*n, n)}, weight{param(r, n, 3*n)}, uniform(r, n)
	s := AttentionShape{Heads: 4, KVHeads: 4, HeadDim: 4, Scale: 0.5}
	bounds := []int{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, rows} // short ones: scores are scratch
	pre := func(p *Pass, x mat.Tensor) mat.Tensor {
		a := Attention(p, Linear(p, RMSNorm(p, x, norm, nil, 1e-5), qkv), bounds, nil, s, nil)
		x = Add(p, x, Linear(p, a, out))
		return Add(p, x, GatedMLP(p, RMSNorm(p, x, norm, nil, 1e-5), SiLU, gate, up, down))
	}
	post := func(p *Pass, x mat.Tensor) mat.Tensor {
		a := Attention(p, Linear(p, x, qkv), bounds, nil, s, nil)
		x = LayerNorm(p, Add(p, x, Linear(p, a, out)), norm, norm, nil, nil, 1e-5)
		return LayerNorm(p, Add(p, x, MLP(p, x, GELU, up, down)), norm, norm, nil, nil, 1e-5)
	}
	for name, f := range map[string]func(*Pass, mat.Tensor) mat.Tensor{"pre-norm": pre, "post-norm": post} {
		want := Footprints(bf16, func(p *Pass) { Checkpoint(p, p.view(tensor.New(rows, n), true), nil, f) })[0]
		run := func(p *Pass) (x, y mat.Tensor, before int) {
			v := p.New(rows, n)
			copy(v.m.Data, uniform(r, rows*n))
			v.SetRequiresGrad(p.Grad)
			before = memory.used - v.span.n
			ResetPeak()
			return v, Checkpoint(p, v, nil, f), before
		}
		p := &Pass{BF16: bf16}
		_, _, before := run(p)
		x := rows * n
		if got := PeakBytes()/4 - before; math.Abs(float64(got-want.Forward)) > 0.1*float64(got) {
			t.Errorf("%s: the forward pass holds %d values, %d expected", name, got, want.Forward)
		}
		p.Release()
		p = &Pass{Grad: true, BF16: bf16}
		_, y, before := run(p)
		if got := memory.used - before - x; math.Abs(float64(got-want.Kept)) > 0.02*float64(got) {
			t.Errorf("%s: %d values are kept, %d expected", name, got, want.Kept)
		}
		held := memory.used
		ResetPeak()
		if err := p.Backward(y, 1); err != nil {
			t.Fatal(err)
		}
		if got := PeakBytes()/4 - held; math.Abs(float64(got-want.Backward)) > 0.1*float64(got) {
			t.Errorf("%s: the backward pass holds %d more values, %d expected", name, got, want.Backward)
		}
		p.Release()
	}
}
