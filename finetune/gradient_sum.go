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
	has    bool // or else the values, if there are any, are zero
}

// gradientSum adds up gradients along a tree, in the parameters themselves. It keeps buffers for the next step.
type gradientSum struct {
	params []model.Param
	lends  bool // the last term of a sum lies where activations were: a leaf of the tree is one micro-batch
	bare   bool // the parameters have no buffers
	free   []gradient
	spent  time.Duration // in add
}

// take moves the parameters' gradient, and its buffers, out of them.
func (s *gradientSum) take() gradient {
	g := make(gradient, len(s.params))
	for i, p := range s.params {
		g[i].values, g[i].has = op.SwapGrad(p.Param, nil, false)
	}
	s.bare = true
	return g
}

// give gives bare parameters buffers that are kept, if there are any: otherwise they make their own.
func (s *gradientSum) give() {
	if last := len(s.free) - 1; s.bare && last >= 0 {
		for i, p := range s.params {
			op.SwapGrad(p.Param, s.free[last][i].values, false)
		}
		s.free = s.free[:last]
	}
	s.bare = false
}

// lend lets bare parameters' next gradient, which add ends, take no memory of its own.
func (s *gradientSum) lend() {
	for _, p := range s.params {
		op.LendGrad(p.Param)
	}
	s.bare = false
}

// add leaves waiting[0] + (waiting[1] + (… + the parameters' gradient)) in the parameters, in the buffers of waiting[0].
// All of these are added while a block of the sum is in the cache. Gradients begin as zeros that are added to, so none is −0, and one that is
// missing is the same as zeros.
func (s *gradientSum) add(waiting []gradient) {
	began := time.Now()
	defer func() { s.spent += time.Since(began) }()
	terms := make([][]float32, 0, 1+len(waiting))
	for i, p := range s.params {
		terms = terms[:0]
		if p.HasGrad() {
			terms = append(terms, op.Grad(p.Param).Data)
		}
		for _, g := range slices.Backward(waiting[1:]) {
			if g[i].has {
				terms = append(terms, g[i].values)
			}
		}
		sum := &waiting[0][i]
		if len(terms) > 0 {
			if sum.values == nil {
				sum.values = make([]float32, len(terms[0]))
			}
			addUp(append(terms, sum.values))
			sum.has = true
		}
		sum.values, _ = op.SwapGrad(p.Param, sum.values, sum.has)
	}
	if s.lends {
		waiting = waiting[1:]
	}
	s.free = append(s.free, waiting...)
}

// addChunk is the number of values that one parallel job adds.
const addChunk = 1 << 14

// addUp adds each term to the next, and sets all but the last to zero.
func addUp(terms [][]float32) {
	tensor.ParallelRanges(len(terms[0]), addChunk, func(a, b int) {
		for i, next := range terms[1:] {
			vec.Add(next[a:b], next[a:b], terms[i][a:b])
			clear(terms[i][a:b])
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
		if len(waiting) > 0 {
			defer s.add(waiting)
		}
		if s.lends && len(waiting) > 0 {
			s.lend()
		} else {
			s.give()
		}
		return run(node.from)
	}
	left, right := t.halves(node)
	if err := s.addTo(t, left, nil, run); err != nil {
		return err
	}
	return s.addTo(t, right, append(waiting, s.take()), run)
}
