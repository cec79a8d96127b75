package optim

import (
	"slices"

	"github.com/spagotune/spagotune/internal/vec"
)

func init() {
	Register("sgd", func(_ Settings, args *Args) Rule {
		o := SGD{Momentum: args.Float("momentum"), Dampening: args.Float("dampening"), Nesterov: args.Bool("nesterov")}
		args.Require(!o.Nesterov || o.Momentum > 0 && o.Dampening == 0, "nesterov is true; it needs a momentum, and no dampening")
		args.Require(o.Momentum > 0 || o.Dampening == 0, "dampening has no effect without a momentum; leave it out, or add one")
		return o
	})
}

// SGD is stochastic gradient descent as torch.optim.SGD computes it, where weight decay is added to the gradient. With Momentum,
// the steps follow a running sum b ← Momentum·b + (1−Dampening)·g of the gradients, of which the first is g itself, or where
// Nesterov g + Momentum·b (Sutskever et al. 2013).
type SGD struct {
	Momentum, Dampening float64
	Nesterov            bool
}

// State is the running sum, where there is a Momentum.
func (o SGD) State(rows, cols int, _ bool) []StateSpec {
	if o.Momentum == 0 {
		return nil
	}
	return []StateSpec{float32s("momentum_buffer", rows, cols)}
}

// Update moves the parameter.
func (o SGD) Update(u *Update) {
	chunks(len(u.W.Data), func(a, b int) {
		w, g := u.W.Data[a:b], u.G.Data[a:b]
		if u.WeightDecay > 0 || o.Nesterov {
			g = slices.Clone(g)
			vec.Axpy(g, float32(u.WeightDecay), w)
		}
		if o.Momentum > 0 {
			sum := u.State[0].Float32[a:b]
			if u.Step == 1 {
				copy(sum, g)
			} else {
				vec.Scale(sum, float32(o.Momentum), sum)
				vec.Axpy(sum, float32(1-o.Dampening), g)
			}
			if o.Nesterov {
				vec.Axpy(g, float32(o.Momentum), sum)
			} else {
				g = sum
			}
		}
		vec.Axpy(w, float32(-u.LR), g)
	})
}
