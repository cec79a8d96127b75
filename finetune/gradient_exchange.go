package finetune

import (
	"time"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/op"
)

// exchangeValues is about the number of values that the ranks exchange in one go.
const exchangeValues = 1 << 22

// gradientExchange adds up the gradients of micro-batches that several ranks have computed. Each rank has the sums of some nodes
// of the tree. The owner of a parameter gets all of these, and adds them along the tree.
type gradientExchange struct {
	*shards
	tree  sumTree
	nodes [][]span // of each rank
}

// newGradientExchange shares a step's micro-batches among ranks.
func newGradientExchange(s *shards, t sumTree) *gradientExchange {
	e := &gradientExchange{shards: s, tree: t}
	for _, share := range t.shares(t.root(), s.ranks.Size()) {
		e.nodes = append(e.nodes, t.nodes(share))
	}
	return e
}

// report is what a rank tells the others of its micro-batches.
type report struct {
	// Losses are those of the rank's micro-batches, and zero elsewhere. HasGrad says which parameters have a gradient.
	Losses  []float64
	HasGrad []bool
}

// over leaves the sum of all micro-batches in the parameters of this rank, or of all ranks where they want the whole gradient. run is
// called for the micro-batches of this rank. The losses, which it has set for these, are set for all.
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
	s.give()
	began := time.Now()
	for rank, nodes := range e.nodes {
		for _, node := range nodes {
			copy(losses[node.from:node.to], all[rank].Losses[node.from:node.to])
		}
	}
	e.has = make([]bool, len(s.params))
	for i := range e.has {
		for _, r := range all {
			e.has[i] = e.has[i] || r.HasGrad[i]
		}
	}
	if err := e.sum(own); err != nil {
		return 0, err
	}
	if e.whole {
		if err := e.share(e.gradientOf); err != nil {
			return 0, err
		}
	}
	for _, g := range own {
		for i := range g {
			clear(g[i].values)
		}
	}
	s.free = append(s.free, own...)
	return time.Since(began), nil
}

// gradientOf is the memory of a parameter's gradient.
func (e *gradientExchange) gradientOf(i int) []float32 { return op.Grad(e.params[i].Param).Data }

// sum adds up the gradients of this rank's nodes, and of the others', in the parameters that this rank owns, a block of each owner's
// at a time.
func (e *gradientExchange) sum(own []gradient) error {
	rank, size := e.ranks.Rank(), e.ranks.Size()
	parts := make([][]flat, len(own)) // of each node, by owner
	for k, g := range own {
		parts[k] = e.flats(func(i int) []float32 { return g[i].values })
	}
	lengths := e.flats(func(int) []float32 { return nil })
	sum := e.flats(func(i int) []float32 {
		if e.owners[i] != rank {
			return nil
		}
		return e.gradientOf(i)
	})[rank]
	n := blockLen(lengths)
	e.send = resized(e.send, n*size*len(parts))
	sendCounts, recvCounts := make([]int, size), make([]int, size)
	for from := 0; from < longest(lengths); from += n {
		sent := 0
		for to := range lengths {
			m := max(0, min(n, lengths[to].len()-from))
			sendCounts[to] = 4 * m * len(parts)
			for _, part := range parts {
				part[to].read(e.send[sent:sent+m], from)
				sent += m
			}
		}
		m, received := max(0, min(n, sum.len()-from)), 0
		for i, nodes := range e.nodes {
			recvCounts[i] = 4 * m * len(nodes)
			received += m * len(nodes)
		}
		e.recv = resized(e.recv, received)
		if err := e.ranks.Alltoall(asBytes(e.recv), recvCounts, asBytes(e.send[:sent]), sendCounts); err != nil {
			return err
		}
		sum.write(e.combine(e.tree.root(), e.received(m)), from)
	}
	return nil
}

// received is the sums of the nodes of all ranks, of which each has sent m values.
func (e *gradientExchange) received(m int) map[span][]float32 {
	sums, at := map[span][]float32{}, 0
	for _, nodes := range e.nodes {
		for _, node := range nodes {
			sums[node], at = e.recv[at:at+m], at+m
		}
	}
	return sums
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
