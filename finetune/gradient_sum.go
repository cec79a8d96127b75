package finetune

import (
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// gradient is a gradient of every trained parameter, apart from the one that the parameters hold.
type gradient []struct {
	values []float32
	has    bool // or else the values, if there are any, are zero
}

// gradientSum adds up gradients along a tree, in the parameters themselves. It keeps buffers for the next step.
type gradientSum struct {
	params []model.Param
	free   []gradient
}

// take moves the parameters' gradient out of them; they hold none then.
func (s *gradientSum) take() gradient {
	if len(s.free) == 0 {
		s.free = append(s.free, make(gradient, len(s.params)))
	}
	last := len(s.free) - 1
	g := s.free[last]
	s.free = s.free[:last]
	for i, p := range s.params {
		g[i].values, g[i].has = op.SwapGrad(p.Param, g[i].values, false)
	}
	return g
}

// add adds g to the parameters' gradient and gives up g. Gradients begin as zeros that are added to, so none is −0, and one that
// is missing is the same as zeros.
func (s *gradientSum) add(g gradient) {
	for i, p := range s.params {
		switch {
		case !g[i].has:
		case p.HasGrad():
			addAndClear(op.Grad(p.Param).Data, g[i].values)
		default:
			g[i].values, _ = op.SwapGrad(p.Param, g[i].values, true)
		}
		g[i].has = false
	}
	s.free = append(s.free, g)
}

// addChunk is the number of values that one parallel job adds.
const addChunk = 1 << 16

// addAndClear adds g to sum and sets g to zero.
func addAndClear(sum, g []float32) {
	tensor.ParallelRanges(len(g), addChunk, func(a, b int) {
		vec.Add(sum[a:b], sum[a:b], g[a:b])
		clear(g[a:b])
	})
}

// over leaves the sum of a span of micro-batches in the parameters, which hold no gradient before. run adds the gradient of one
// micro-batch to them.
func (s *gradientSum) over(t sumTree, node span, run func(i int) error) error {
	if node.len() == 1 {
		return run(node.from)
	}
	left, right := t.halves(node)
	if err := s.over(t, left, run); err != nil {
		return err
	}
	g := s.take()
	if err := s.over(t, right, run); err != nil {
		return err
	}
	s.add(g)
	return nil
}
