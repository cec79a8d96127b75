package finetune

import (
	"slices"
	"time"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// gradient is a gradient of every trained parameter, apart from the one that the parameters hold.
type gradient []struct {
	values []float32
	has    bool // or else the values, if there are any, say nothing
}

// gradientSum adds up gradients along a tree, in the parameters themselves. It keeps buffers for the next step.
type gradientSum struct {
	params []model.Param
	free   []gradient
	spent  time.Duration // in add
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

// add leaves waiting[0] + (waiting[1] + (… + the parameters' gradient)) in the parameters, and gives up the gradients that waited. All of
// these are added while a block of the sum is in the cache. Gradients begin as zeros that are added to, so none is −0, and one that is
// missing is the same as zeros.
func (s *gradientSum) add(waiting []gradient) {
	began := time.Now()
	defer func() { s.spent += time.Since(began) }()
	terms := make([][]float32, 0, len(waiting))
	for i, p := range s.params {
		terms = terms[:0]
		for _, g := range slices.Backward(waiting) {
			switch {
			case !g[i].has:
			case p.HasGrad():
				terms = append(terms, g[i].values)
			default:
				g[i].values, _ = op.SwapGrad(p.Param, g[i].values, true)
			}
			g[i].has = false
		}
		if len(terms) > 0 {
			addTo(op.Grad(p.Param).Data, terms)
		}
	}
	s.free = append(s.free, waiting...)
}

// addChunk is the number of values that one parallel job adds.
const addChunk = 1 << 14

// addTo adds terms to sum, one after the other.
func addTo(sum []float32, terms [][]float32) {
	tensor.ParallelRanges(len(sum), addChunk, func(a, b int) {
		for _, term := range terms {
			vec.Add(sum[a:b], sum[a:b], term[a:b])
		}
	})
}

// over leaves the sum of a span of micro-batches in the parameters, which hold no gradient before. run adds the gradient of one
// micro-batch to them.
func (s *gradientSum) over(t sumTree, node span, run func(i int) error) error {
	return s.addTo(t, node, nil, run)
}

// addTo is over with gradients that wait for the sum, see add.
func (s *gradientSum) addTo(t sumTree, node span, waiting []gradient, run func(i int) error) error {
	if node.len() == 1 {
		if err := run(node.from); err != nil {
			return err
		}
		s.add(waiting)
		return nil
	}
	left, right := t.halves(node)
	if err := s.addTo(t, left, nil, run); err != nil {
		return err
	}
	return s.addTo(t, right, append(waiting, s.take()), run)
}
