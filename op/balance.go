package op

import (
	"sync"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// balance collects what the routers of a pass chose, for the auxiliary loss of mixtures of experts.
type balance struct {
	mu     sync.Mutex
	counts []float32 // by expert: how often it was chosen
	probs  []float32 // by expert: the sum of its probabilities
	rows   int       // tokens, each once for every router
	sealed bool      // the loss has been computed; what layers compute again does not count
	seed   float32   // the gradient of the auxiliary loss
}

// add counts the choices and probabilities of a router.
func (b *balance) add(chosen, logits tensor.Matrix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return
	}
	if b.counts == nil {
		b.counts, b.probs = make([]float32, logits.Cols), make([]float32, logits.Cols)
	}
	p := make([]float32, logits.Cols)
	for i := range logits.Rows {
		softmax(p, logits.Row(i))
		vec.Add(b.probs, b.probs, p)
		for j, v := range chosen.Row(i) {
			if v != 0 {
				b.counts[j]++
			}
		}
	}
	b.rows += logits.Rows
}

// loss is the auxiliary loss: the number of experts times the sum over them of the share of tokens for which an expert was
// chosen times its mean probability.
func (b *balance) loss() float32 {
	n := float32(b.rows)
	return float32(len(b.counts)) * vec.Dot(b.counts, b.probs) / (n * n)
}

// gradient adds the gradient of the auxiliary loss to that of a row of a router's logits.
func (b *balance) gradient(dx, logits []float32) {
	if b.seed == 0 {
		return
	}
	n := float32(b.rows)
	p := make([]float32, len(logits))
	softmax(p, logits)
	mean, scale := vec.Dot(p, b.counts), b.seed*float32(len(b.counts))/(n*n)
	for j := range dx {
		dx[j] += scale * p[j] * (b.counts[j] - mean)
	}
}

// softmax writes the softmax of x to y.
func softmax(y, x []float32) { vec.Scale(y, 1/vec.ExpSum(y, x, vec.Max(x)), y) }

// AddBalance adds coef times the auxiliary loss of the pass's routers (Fedus et al. 2022, arXiv 2101.03961, Eq. 4 to 6, over
// all layers, as in transformers) to each of the losses, [scored, 1]. Routers take part where TopK was told to.
func AddBalance(p *Pass, losses mat.Tensor, coef float32) mat.Tensor {
	b := p.balance
	if b == nil || b.rows == 0 || coef == 0 {
		return losses
	}
	rows, _ := dims(losses)
	return p.Apply(Operator{
		Operands: []mat.Tensor{losses}, Rows: rows, Cols: 1,
		Forward: func(y tensor.Matrix) {
			b.sealed = true
			for i, v := range Matrix(losses).Data {
				y.Data[i] = v + coef*b.loss()
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			b.seed = coef * vec.Sum(gy.m.Data)
			return []*Tensor{gy}
		},
	})
}
