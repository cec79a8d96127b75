package op

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// TestModelDropout compares the operator's rate and scale with its definition, and its gradient with differences.
func TestModelDropout(t *testing.T) {
	x := tensor.New(200, 300)
	for i := range x.Data {
		x.Data[i] = 1
	}
	p := &Pass{Train: true, Seed: 3, Regularization: Regularization{ModelDropout: true}}
	defer p.Release()
	zeros := 0
	for _, v := range Matrix(Dropout(p, copied(p, x), 0.3, "a")).Data {
		switch {
		case v == 0:
			zeros++
		case math.Abs(float64(v)-1/0.7) > 1e-6:
			t.Fatalf("a kept value is scaled to %v, want 1/0.7", v)
		}
	}
	if got := float64(zeros) / float64(len(x.Data)); math.Abs(got-0.3) > 0.01 { // 5 standard deviations
		t.Errorf("%.4f of the values are zero, want 0.3", got)
	}
	for name, p := range map[string]*Pass{"no training": {Regularization: p.Regularization}, "turned off": {Train: true}} {
		if y := copied(p, x); Dropout(p, y, 0.3, "a") != mat.Tensor(y) {
			t.Errorf("%s: dropout is applied", name)
		}
		p.Release()
	}
	r := rand.New(rand.NewPCG(1, 2))
	checkGradients(t, []*nn.Param{param(r, 5, 7)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
		p.ModelDropout = true
		return Dropout(p, in[0], 0.4, "a")
	})
}

// TestAttentionDropout compares with the definition, masks included, where values are the identity: then the result is the
// probabilities. The gradients are compared with differences.
func TestAttentionDropout(t *testing.T) {
	const n, rate = 6, 0.35
	s := AttentionShape{Heads: 2, KVHeads: 2, HeadDim: n, Bidirectional: true, Scale: 0.5, Dropout: rate, Name: "a"}
	r := rand.New(rand.NewPCG(5, 6))
	x := random(r, n, 3*2*n)
	for i := range n {
		v := x.Row(i)[2*2*n:]
		clear(v)
		v[i], v[n+i] = 1, 1
	}
	run := func(drop bool) []float32 {
		p := &Pass{Train: true, Seed: 8, Regularization: Regularization{ModelDropout: drop}}
		defer p.Release()
		return append([]float32(nil), Matrix(Attention(p, copied(p, x), []int{0, n}, nil, s, nil)).Data...)
	}
	kept, probs, zeros := run(true), run(false), 0
	for i, v := range kept {
		if v == 0 {
			zeros++
		} else if want := probs[i] / (1 - rate); math.Abs(float64(v-want)) > 1e-6 {
			t.Errorf("value %d is %v, want %v", i, v, want)
		}
	}
	if zeros < 10 || zeros > 45 {
		t.Errorf("%d of %d probabilities are zero, want about %.0f", zeros, len(kept), rate*float64(len(kept)))
	}
	for _, s := range []AttentionShape{
		{Heads: 2, KVHeads: 2, HeadDim: 4, Bidirectional: true, Scale: 0.5, Dropout: rate, Name: "a"},
		{Heads: 4, KVHeads: 2, HeadDim: 4, Window: 3, Scale: 0.5, Dropout: rate, Name: "a"},
	} {
		checkGradients(t, []*nn.Param{param(r, 7, (s.Heads+2*s.KVHeads)*s.HeadDim)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			p.ModelDropout = true
			return Attention(p, in[0], []int{0, 5, 6, 7}, nil, s, nil)
		})
	}
}

// TestLabelSmoothing compares both cross-entropies with the definition of Szegedy et al. 2016, section 7, and their gradients
// with differences.
func TestLabelSmoothing(t *testing.T) {
	const eps = 0.2
	rows, hidden, vocab := 3, 5, VocabTile+9
	r := rand.New(rand.NewPCG(9, 9))
	h, w, b := param(r, rows, hidden), param(r, vocab, hidden), param(r, 1, vocab)
	targets := []int32{0, VocabTile + 3, 7}
	logits := tensor.New(rows, vocab)
	tensor.NT(logits, Data(h), Data(w), 0)
	want := make([]float64, rows)
	for i := range rows {
		sum, mean := 0.0, 0.0
		for j, v := range logits.Row(i) {
			logits.Row(i)[j] = v + Data(b).Data[j]
			sum += math.Exp(float64(logits.Row(i)[j]))
		}
		for _, v := range logits.Row(i) {
			mean += (math.Log(sum) - float64(v)) / float64(vocab)
		}
		want[i] = (1-eps)*(math.Log(sum)-float64(logits.Row(i)[targets[i]])) + eps*mean
	}
	fused := func(p *Pass, h mat.Tensor, w, b *nn.Param) mat.Tensor {
		p.LabelSmoothing = eps
		return FusedLinearCrossEntropy(p, h, []int{0, 1, 2}, targets, Data(w), w, Data(b).Data, b)
	}
	plain := func(p *Pass, x mat.Tensor, targets []int32) mat.Tensor {
		p.LabelSmoothing = eps
		return CrossEntropy(p, x, targets)
	}
	for name, got := range map[string]func(p *Pass) mat.Tensor{
		"cross-entropy": func(p *Pass) mat.Tensor { return plain(p, copied(p, logits), targets) },
		"fused":         func(p *Pass) mat.Tensor { return fused(p, copied(p, Data(h)), w, b) },
	} {
		p := &Pass{}
		if d := worst(Matrix(got(p)).Data, want); !(d <= 2e-6) {
			t.Errorf("%s: %v, want %v", name, Matrix(got(p)).Data, want)
		}
		p.Release()
	}
	checkGradients(t, []*nn.Param{param(r, 2, 6)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return plain(p, in[0], []int32{1, 5}) })
	small, bias := param(r, 11, hidden), param(r, 1, 11)
	checkGradients(t, []*nn.Param{param(r, rows, hidden)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
		p.LabelSmoothing = eps
		return FusedLinearCrossEntropy(p, in[0], []int{0, 1, 2}, []int32{3, 10, 0}, Data(small), small, Data(bias).Data, bias)
	})
	for _, q := range []*nn.Param{small, bias} { // they are read where they lie, not as operands
		q.ZeroGrad()
		value := func() float64 {
			p := &Pass{Grad: true, Regularization: Regularization{LabelSmoothing: eps}}
			defer p.Release()
			q.ZeroGrad()
			y := FusedLinearCrossEntropy(p, copied(p, Data(h)), []int{0, 1, 2}, []int32{3, 10, 0}, Data(small), small, Data(bias).Data, bias)
			sum := 0.0
			for _, v := range Matrix(y).Data {
				sum += float64(v)
			}
			if err := p.Backward(y, 1); err != nil {
				t.Fatal(err)
			}
			return sum
		}
		value()
		compareDifferences(t, 0, q, value)
	}
}

// TestEmbeddingNoise bounds the noise by α/√(length·hidden) of each document, and compares its spread with a uniform number's.
func TestEmbeddingNoise(t *testing.T) {
	x, bounds := tensor.New(120, 64), []int{0, 100, 120}
	p := &Pass{Train: true, Seed: 4, Regularization: Regularization{EmbeddingNoise: 5}}
	defer p.Release()
	y := Matrix(EmbeddingNoise(p, copied(p, x), bounds))
	for d := range 2 {
		rows := bounds[d+1] - bounds[d]
		m, sum, largest := 5/math.Sqrt(float64(rows*64)), 0.0, 0.0
		for i := bounds[d]; i < bounds[d+1]; i++ {
			for _, v := range y.Row(i) {
				sum += float64(v) * float64(v)
				largest = max(largest, math.Abs(float64(v)))
			}
		}
		spread := math.Sqrt(sum/float64(rows*64)) / m
		if largest > m || largest < 0.98*m || math.Abs(spread-1/math.Sqrt(3)) > 0.02 {
			t.Errorf("document %d: noise up to %.4f with a spread of %.3f m, want up to %.4f and 0.577 m", d, largest, spread, m)
		}
	}
	if z := copied(p, x); EmbeddingNoise(&Pass{Regularization: p.Regularization}, z, bounds) != mat.Tensor(z) {
		t.Error("there is noise outside training")
	}
}
