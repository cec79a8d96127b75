package op

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// bf16 is a frozen projection as SmolLM2's files keep it.
type bf16 struct{ tensor.BF16 }

func (w bf16) Params(*Pass) []*nn.Param                 { return nil }
func (w bf16) ReadsOutput(*Pass) bool                   { return false }
func (w bf16) Forward(_ *Pass, y, x tensor.Matrix)      { tensor.NT(y, x, w.BF16, 0) }
func (w bf16) ParamGrad(_ *Pass, _, _, _ tensor.Matrix) {}
func (w bf16) InputGrad(_ *Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix) {
	tensor.NN(dx, gy, w.BF16, beta)
}

func halves(r *rand.Rand, rows, cols int) tensor.BF16 {
	d := make([]uint16, rows*cols)
	for i := range d {
		d[i] = tensor.ToBF16(0.04 * (r.Float32() - 0.5))
	}
	return tensor.BF16{Data: d, Rows: rows, Cols: cols}
}

// operator is a case of BenchmarkOperators, in SmolLM2-135M's sizes: hidden 576, 9 heads and 3 key-value heads, intermediate
// 1536, vocabulary 49152.
type operator struct {
	name          string
	rows, cols    int
	flop, reverse float64 // of the forward and the backward pass; 0: the time of a value is reported
	f             func(p *Pass, x mat.Tensor) mat.Tensor
}

func operators() []operator {
	const tokens, hidden, inter, vocab = 512, 576, 1536, 49152
	r := rand.New(rand.NewPCG(1, 2))
	gateUp, down, head := bf16{halves(r, 2*inter, hidden)}, bf16{halves(r, hidden, inter)}, halves(r, vocab, hidden)
	norm, rope := uniform(r, hidden), testRoPE(64)
	shape := AttentionShape{Heads: 9, KVHeads: 3, HeadDim: 64, Scale: 0.125}
	short := AttentionShape{Heads: 12, KVHeads: 12, HeadDim: 32, Scale: 0.18, Bidirectional: true}
	rows, targets, bounds := make([]int, tokens/2), make([]int32, tokens/2), []int{0, 170, 341, tokens}
	for i := range rows {
		rows[i], targets[i] = 2*i, int32(97*i)
	}
	pairs := 0.0 // of tokens that see each other
	for d := range len(bounds) - 1 {
		n := float64(bounds[d+1] - bounds[d])
		pairs += n * (n + 1) / 2
	}
	product := 2.0 * tokens * hidden * inter
	scores := 2 * pairs * 9 * 64
	row := 8.0 * tokens * (8*tokens + 1) / 2 // pairs of one row
	logits := 2.0 * tokens / 2 * vocab * hidden
	return []operator{
		{"linear/gate_up", tokens, hidden, 2 * product, 2 * product, func(p *Pass, x mat.Tensor) mat.Tensor { return Linear(p, x, gateUp) }},
		{"linear/down", tokens, inter, product, product, func(p *Pass, x mat.Tensor) mat.Tensor { return Linear(p, x, down) }},
		{"attention", tokens, 15 * 64, 2 * scores, 5 * scores, func(p *Pass, x mat.Tensor) mat.Tensor { return Attention(p, x, bounds, rope, shape, nil) }},
		{"attention/MiniLM", 4 * 128, 3 * 384, 4 * 2 * 128 * 128 * 384 * 2, 5 * 4 * 2 * 128 * 128 * 384, func(p *Pass, x mat.Tensor) mat.Tensor {
			return Attention(p, x, []int{0, 128, 256, 384, 512}, nil, short, nil)
		}},
		{"attention/long", 8 * tokens, 15 * 64, 4 * row * 9 * 64, 10 * row * 9 * 64, func(p *Pass, x mat.Tensor) mat.Tensor {
			return Attention(p, x, []int{0, 8 * tokens}, testRoPE(64), shape, nil)
		}},
		{"headloss", tokens, hidden, 2 * logits, 0, func(p *Pass, x mat.Tensor) mat.Tensor {
			return FusedLinearCrossEntropy(p, x, rows, targets, head, nil, nil, nil)
		}},
		{"rmsnorm", tokens, hidden, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor { return RMSNorm(p, x, norm, nil, 1e-5) }},
		{"layernorm", tokens, hidden, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor {
			return LayerNorm(p, x, norm, norm, nil, nil, 1e-12)
		}},
		{"gelu", tokens, inter, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor { return Activate(p, x, GELU) }},
		{"swiglu", tokens, 2 * inter, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor { return Gate(p, x, SiLU) }},
		{"rows", tokens, hidden, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor { return Gather(p, x, rows) }},
		{"crossentropy", len(rows), vocab / 8, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor { return CrossEntropy(p, x, make([]int32, len(rows))) }},
		{"layer", tokens, hidden, 0, 0, func(p *Pass, x mat.Tensor) mat.Tensor {
			p.Checkpointing = true
			return Checkpoint(p, x, nil, func(p *Pass, x mat.Tensor) mat.Tensor { return RMSNorm(p, x, norm, nil, 1e-5) })
		}},
	}
}

// rate reports GFLOP/s, or the time of a value if flop is 0.
func rate(b *testing.B, flop float64, values int) {
	if flop > 0 {
		b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		return
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(values), "ns/value")
}

// input is a copy of x that wants a gradient.
func input(p *Pass, x tensor.Matrix) mat.Tensor {
	in := p.New(x.Rows, x.Cols)
	copy(in.m.Data, x.Data)
	return p.view(in.m, true)
}

func BenchmarkOperators(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, o := range operators() {
		x := random(r, o.rows, o.cols)
		b.Run(o.name+"/forward", func(b *testing.B) {
			p := &Pass{Grad: true}
			for b.Loop() {
				b.StopTimer()
				in := input(p, x)
				b.StartTimer()
				o.f(p, in)
				b.StopTimer()
				p.Release()
				b.StartTimer()
			}
			rate(b, o.flop, o.rows*o.cols)
		})
		b.Run(o.name+"/backward", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				p := &Pass{Grad: true}
				y := o.f(p, input(p, x))
				b.StartTimer()
				if err := p.Backward(y, 1); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				p.Release()
				b.StartTimer()
			}
			rate(b, o.reverse, o.rows*o.cols)
		})
	}
}

func BenchmarkEmbedding(b *testing.B) {
	const tokens, vocab, hidden = 512, 49152, 576
	w, ids := halves(rand.New(rand.NewPCG(5, 6)), vocab, hidden), make([]int32, tokens)
	for i := range ids {
		ids[i] = int32(i * 91 % vocab)
	}
	p := &Pass{}
	for b.Loop() {
		EmbeddingSum(p, EmbeddingPart{IDs: ids, Table: w})
		p.Release()
	}
	rate(b, 0, tokens*hidden)
}

func BenchmarkDropout(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	x, y, p := random(r, 512, 576), tensor.New(512, 576), &Pass{Grad: true}
	for b.Loop() {
		p.Dropout(y, x, 0.1, "model.layers.0.mlp.gate_proj")
	}
	rate(b, 0, len(x.Data))
}

// BenchmarkEncoderLayer is the forward pass of a post-norm layer of MiniLM: hidden 384, 12 heads, intermediate 1536.
func BenchmarkEncoderLayer(b *testing.B) {
	const hidden, inter = 384, 1536
	r := rand.New(rand.NewPCG(9, 10))
	qkv, out := weight{param(r, 3*hidden, hidden)}, weight{param(r, hidden, hidden)}
	up, down, norm := weight{param(r, inter, hidden)}, weight{param(r, hidden, inter)}, uniform(r, hidden)
	s := AttentionShape{Heads: 12, KVHeads: 12, HeadDim: hidden / 12, Scale: 0.18, Bidirectional: true}
	for _, c := range []struct{ documents, tokens int }{{1, 16}, {1, 128}, {8, 128}, {32, 16}} {
		b.Run(fmt.Sprintf("%dx%d", c.documents, c.tokens), func(b *testing.B) {
			lengths := make([]int, c.documents)
			for d := range lengths {
				lengths[d] = c.tokens
			}
			bounds := boundsOf(lengths)
			x := random(r, c.documents*c.tokens, hidden)
			for b.Loop() {
				p := &Pass{}
				in := p.view(x, false)
				a := Attention(p, Linear(p, in, qkv), bounds, nil, s, nil)
				h := LayerNorm(p, Add(p, in, Linear(p, a, out)), norm, norm, nil, nil, 1e-12)
				LayerNorm(p, Add(p, h, MLP(p, h, GELU, up, down)), norm, norm, nil, nil, 1e-12)
				p.Release()
			}
			perToken := 2*float64(4*hidden*hidden+2*hidden*inter) + 4*float64(c.tokens)*hidden
			rate(b, perToken*float64(x.Rows), len(x.Data))
		})
	}
}
