package model

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/op"
)

// RunLayer runs f, a part of a backbone such as a layer, on x, which nothing else reads. part holds the weights that f uses.
// It is op.Checkpoint, with the parameters of part that train.
func RunLayer(p *op.Pass, part any, x mat.Tensor, f func(p *op.Pass, x mat.Tensor) mat.Tensor) mat.Tensor {
	return op.Checkpoint(p, x, trained(p, part), f)
}

// trained lists the parameters of a part of a backbone that train in the pass.
func trained(p *op.Pass, part any) []*nn.Param {
	if !p.Grad {
		return nil
	}
	var ps []*nn.Param
	walk(part, func(_ string, l *Linear) { ps = append(ps, l.Params(p)...) }, func(_ string, w *Weight) {
		if q := w.Param(p.Adapter); op.RequiresGrad(q) {
			ps = append(ps, q)
		}
	})
	return ps
}
