package finetune

import (
	"time"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/op"
)

// exchangeValues is about the number of values that the ranks exchange in one go.
const exchangeValues = 1 << 22

// gradientExchange adds up the gradients of micro-batches that several ranks have computed. Each rank has the sums of some nodes
// of the tree. A rank gets its slice of all of these, adds them along the tree, and tells the others the result.
type gradientExchange struct {
	ranks infer.Ranks
	tree  sumTree
	nodes [][]span // of each rank
}

// newGradientExchange shares a step's micro-batches among ranks.
func newGradientExchange(ranks infer.Ranks, t sumTree) *gradientExchange {
	e := &gradientExchange{ranks: ranks, tree: t}
	for _, s := range t.shares(t.root(), ranks.Size()) {
		e.nodes = append(e.nodes, t.nodes(s))
	}
	return e
}

// report is what a rank tells the others of its micro-batches.
type report struct {
	// Losses are those of the rank's micro-batches, and zero elsewhere. HasGrad says which parameters have a gradient.
	Losses  []float64
	HasGrad []bool
}

// over leaves the sum of all micro-batches in the parameters of every rank. run is called for the micro-batches of this rank. The
// losses, which it has set for these, are set for all.
func (e *gradientExchange) over(s *gradientSum, losses []float64, run func(i int) error) (took time.Duration, err error) {
	var own []gradient
	for _, node := range e.nodes[e.ranks.Rank()] {
		if err = s.over(e.tree, node, run); err != nil {
			break
		}
		own = append(own, s.take())
	}
	mine := report{Losses: losses, HasGrad: make([]bool, len(s.params))}
	for _, g := range own {
		for i := range g {
			mine.HasGrad[i] = mine.HasGrad[i] || g[i].has
		}
	}
	all, err := exchange(e.ranks, mine, err)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for rank, nodes := range e.nodes {
		for _, node := range nodes {
			copy(losses[node.from:node.to], all[rank].Losses[node.from:node.to])
		}
	}
	if err := e.sum(e.flatten(s, own, all)); err != nil {
		return 0, err
	}
	for _, g := range own {
		for i := range g {
			clear(g[i].values)
			g[i].has = false
		}
	}
	s.free = append(s.free, own...)
	return time.Since(began), nil
}

// flatten lays the parameters that have a gradient on some rank end to end: the gradients of this rank's nodes, and the sum.
func (e *gradientExchange) flatten(s *gradientSum, own []gradient, all []report) (parts []flat, sum flat) {
	parts = make([]flat, len(own))
	for i, p := range s.params {
		has := false
		for _, r := range all {
			has = has || r.HasGrad[i]
		}
		if !has {
			continue
		}
		for k, g := range own {
			parts[k].add(g[i].values, p.Size())
		}
		sum.add(op.Grad(p.Param).Data, p.Size())
	}
	return parts, sum
}

// sum adds the parts of all ranks into sum, a block of each rank's slices at a time.
func (e *gradientExchange) sum(parts []flat, sum flat) error {
	size := e.ranks.Size()
	slice := min(exchangeValues, sum.len()+size-1) / size
	sendCounts, recvCounts, received := make([]int, size), make([]int, size), 0
	for rank, nodes := range e.nodes {
		sendCounts[rank] = 4 * slice * len(parts)
		recvCounts[rank] = 4 * slice * len(nodes)
		received += slice * len(nodes)
	}
	send, recv, block := make([]float32, size*slice*len(parts)), make([]float32, received), make([]float32, size*slice)
	for from := 0; from < sum.len(); from += size * slice {
		for k, part := range parts {
			for rank := range size {
				part.read(send[(rank*len(parts)+k)*slice:][:slice], from+rank*slice)
			}
		}
		if err := e.ranks.Alltoall(asBytes(recv), recvCounts, asBytes(send), sendCounts); err != nil {
			return err
		}
		at, sums := 0, map[span][]float32{}
		for _, nodes := range e.nodes {
			for _, node := range nodes {
				sums[node], at = recv[at:at+slice], at+slice
			}
		}
		if err := e.ranks.Allgather(asBytes(block), asBytes(e.combine(e.tree.root(), sums))); err != nil {
			return err
		}
		sum.write(block, from)
	}
	return nil
}

// combine returns the sum of a node, from those of nodes below it, which it changes.
func (e *gradientExchange) combine(node span, sums map[span][]float32) []float32 {
	if s, ok := sums[node]; ok {
		return s
	}
	l, r := e.tree.halves(node)
	left, right := e.combine(l, sums), e.combine(r, sums)
	vec.Add(left, left, right)
	return left
}

// flat is vectors that are read and written as if they lay end to end. One without values is zeros.
type flat struct {
	values [][]float32
	ends   []int
}

func (f *flat) add(values []float32, n int) {
	f.values, f.ends = append(f.values, values), append(f.ends, f.len()+n)
}

func (f *flat) len() int {
	if len(f.ends) == 0 {
		return 0
	}
	return f.ends[len(f.ends)-1]
}

// read copies values from one on into dst; beyond the end there are zeros.
func (f *flat) read(dst []float32, from int) {
	clear(dst)
	f.each(from, len(dst), func(values []float32, at int) { copy(dst[at:], values) })
}

// write copies src to the values from one on; what is beyond the end is left out.
func (f *flat) write(src []float32, from int) {
	f.each(from, len(src), func(values []float32, at int) { copy(values, src[at:]) })
}

// each calls do with the parts of the vectors that make n values from one on, and where in these they begin.
func (f *flat) each(from, n int, do func(values []float32, at int)) {
	start := 0
	for i, end := range f.ends {
		a, b := max(from, start), min(from+n, end)
		if a < b && f.values[i] != nil {
			do(f.values[i][a-start:b-start], a-from)
		}
		start = end
	}
}
