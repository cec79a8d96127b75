package finetune

import "slices"

// sumTree says in which order the gradients of a step's micro-batches are added: those of a span of micro-batches (or of groups of
// them, see leafOfAll) are the sum of the two halves of it, by tokens. So the order depends on nothing but the step's rows, and processes that each take some
// of the micro-batches get the same bits as one that takes all. Element i is the number of tokens before micro-batch i.
type sumTree []int

// span is the micro-batches from one on, and before another.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// holds says whether another span lies in this one.
func (s span) holds(o span) bool { return s.from <= o.from && o.to <= s.to }

// newSumTree returns the tree over micro-batches with these numbers of tokens.
func newSumTree(tokens []int) sumTree {
	t := sumTree{0}
	for i, n := range tokens {
		t = append(t, t[i]+n)
	}
	return t
}

// root is the span of all micro-batches.
func (t sumTree) root() span { return span{0, len(t) - 1} }

// cut returns where a span of more than one micro-batch is cut so that the first part comes nearest to a share of its
// tokens. No part is empty.
func (t sumTree) cut(s span, share, of int) int {
	want := of*t[s.from] + share*(t[s.to]-t[s.from])
	at := s.from + 1
	for i := at + 1; i < s.to && distance(of*t[i], want) < distance(of*t[at], want); i++ {
		at = i
	}
	return at
}

func distance(a, b int) int { return max(a-b, b-a) }

// halves returns the two spans whose sums make that of a span of more than one micro-batch.
func (t sumTree) halves(s span) (left, right span) {
	mid := t.cut(s, 1, 2)
	return span{s.from, mid}, span{mid, s.to}
}

// depth is the number of additions on the longest way from a micro-batch to the sum.
func (t sumTree) depth(s span) int {
	if s.len() < 2 {
		return 0
	}
	left, right := t.halves(s)
	return 1 + max(t.depth(left), t.depth(right))
}

// shares cuts a span into one for each of n ranks, of about as many tokens. As far as n is even, the cuts are those of the
// tree. A rank for which no micro-batch is left gets an empty span.
func (t sumTree) shares(s span, n int) []span {
	if n == 1 {
		return []span{s}
	}
	mid := s.to
	if s.len() > 1 {
		mid = t.cut(s, n/2, n)
	}
	return append(t.shares(span{s.from, mid}, n/2), t.shares(span{mid, s.to}, n-n/2)...)
}

// nodes returns the largest spans of the tree within a span s, in order: their sums are what is needed of s.
func (t sumTree) nodes(s span) []span { return t.within(t.root(), s) }

func (t sumTree) within(node, s span) []span {
	switch {
	case s.holds(node):
		return []span{node}
	case node.len() < 2 || node.to <= s.from || s.to <= node.from:
		return nil
	}
	left, right := t.halves(node)
	return slices.Concat(t.within(left, s), t.within(right, s))
}

// leafOfAll is the number of consecutive micro-batches whose gradients are added up directly in the parameters, as a leaf of the tree,
// where all parameters of a model train: adding whole gradients takes time then.
const leafOfAll = 2

// groups returns the sums of each n tokens, and of the rest.
func groups(tokens []int, n int) (sums []int) {
	for group := range slices.Chunk(tokens, n) {
		sum := 0
		for _, t := range group {
			sum += t
		}
		sums = append(sums, sum)
	}
	return sums
}
