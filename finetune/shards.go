package finetune

import (
	"cmp"
	"math"
	"slices"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// shards says which rank owns each parameter: it adds up the parameter's gradients, keeps its optimizer state and moves it (ZeRO stage
// 1, Rajbhandari et al. 2020, arXiv 1910.02054, section 5.1). Parameters are owned whole, so that every optimizer's rule sees what it
// sees in one process.
type shards struct {
	ranks  infer.Ranks // nil: this process owns all
	params []model.Param
	owners []int
	// whole says that something looks at all gradients after the sum: every rank gets them, and moves every parameter itself.
	whole bool
	has   []bool // which parameters have a gradient in this step
	// Buffers of what is sent and received.
	send, recv, block []float32
}

// assign gives every parameter an owner. Those that had one keep it, with their state.
func (s *shards) assign(params []model.Param, stateBytes func(model.Param) int) {
	if s.ranks == nil {
		return
	}
	before := map[*nn.Param]int{}
	for i, p := range s.params {
		before[p.Param] = s.owners[i]
	}
	bytes, owners := make([]int, len(params)), make([]int, len(params))
	for i, p := range params {
		bytes[i], owners[i] = 4*p.Size()+stateBytes(p), -1
		if owner, ok := before[p.Param]; ok {
			owners[i] = owner
		}
	}
	shareOut(bytes, owners, s.ranks.Size())
	s.params, s.owners = params, owners
}

// shareOut sets the owners that are −1: each is one of n ranks, the largest things go first, and to the rank that has least.
func shareOut(bytes, owners []int, n int) {
	load, rest := make([]int, n), []int{}
	for i, owner := range owners {
		if owner < 0 {
			rest = append(rest, i)
		} else {
			load[owner] += bytes[i]
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(bytes[b], bytes[a]) })
	for _, i := range rest {
		owners[i] = slices.Index(load, slices.Min(load))
		load[owners[i]] += bytes[i]
	}
}

// owns says whether this rank moves a parameter.
func (s *shards) owns(p model.Param) bool {
	if s.ranks == nil || s.whole {
		return true
	}
	i := slices.IndexFunc(s.params, func(o model.Param) bool { return o.Param == p.Param })
	return i >= 0 && s.owners[i] == s.ranks.Rank()
}

// split says whether ranks have different parts of the optimizer's state.
func (s *shards) split() bool { return s.ranks != nil && s.ranks.Size() > 1 && !s.whole }

// flats are the vectors of the parameters that have a gradient, of each owner's end to end.
func (s *shards) flats(values func(i int) []float32) []flat {
	all := make([]flat, s.ranks.Size())
	for i, p := range s.params {
		if s.has[i] {
			all[s.owners[i]].add(values(i), p.Size())
		}
	}
	return all
}

// share lets every rank have the values of all parameters, each from its owner, a block at a time.
func (s *shards) share(values func(i int) []float32) error {
	all := s.flats(values)
	n := blockLen(all)
	s.block, s.recv = resized(s.block, n), resized(s.recv, n*len(all))
	for from := 0; from < longest(all); from += n {
		all[s.ranks.Rank()].read(s.block, from)
		if err := s.ranks.Allgather(asBytes(s.recv), asBytes(s.block)); err != nil {
			return err
		}
		for rank := range all {
			if rank != s.ranks.Rank() {
				all[rank].write(s.recv[rank*n:][:n], from)
			}
		}
	}
	return nil
}

// shareParams lets every rank have the parameters that others have moved.
func (s *shards) shareParams() error {
	if !s.split() {
		return nil
	}
	return s.share(func(i int) []float32 { return op.Data(s.params[i].Param).Data })
}

// squares returns the sum of the squares of each parameter's gradient, on every rank; that of a parameter without one is −1.
func (s *shards) squares(params []model.Param) ([]float64, error) {
	all := make([]float64, len(params))
	for i, p := range params {
		if all[i] = -1; p.HasGrad() {
			all[i] = vec.SumSquares(op.Grad(p.Param).Data)
		}
	}
	if !s.split() {
		return all, nil
	}
	bits := make([]uint64, len(all)) // numbers that are not finite are exchanged, too
	for i, v := range all {
		bits[i] = math.Float64bits(v)
	}
	parts, err := exchange(s.ranks, bits, nil)
	if err != nil {
		return nil, err
	}
	for i, owner := range s.owners {
		all[i] = math.Float64frombits(parts[owner][i])
	}
	return all, nil
}

// blockLen is the number of values of each owner that the ranks exchange in one go.
func blockLen(all []flat) int { return min(max(1, exchangeValues/len(all)), longest(all)) }

// longest is the length of the longest of vectors.
func longest(all []flat) (n int) {
	for i := range all {
		n = max(n, all[i].len())
	}
	return n
}

// resized is a buffer of n values, the same one if it is large enough.
func resized(b []float32, n int) []float32 { return slices.Grow(b[:0], n)[:n] }
