package finetune

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every number of ranks covers each micro-batch once, and the sums of its spans make the root's.
func TestSumTreeShares(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 13, 64} {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		tokens, total, largest := make([]int, n), 0, 0
		for i := range tokens {
			tokens[i] = 1 + rng.IntN(1000)
			total, largest = total+tokens[i], max(largest, tokens[i])
		}
		tree := newSumTree(tokens)
		for ranks := 1; ranks <= 9; ranks++ {
			t.Run(fmt.Sprintf("%d micro-batches on %d ranks", n, ranks), func(t *testing.T) {
				shares := tree.shares(tree.root(), ranks)
				if len(shares) != ranks {
					t.Fatalf("%d shares", len(shares))
				}
				at, nodes := 0, map[span]bool{}
				for _, s := range shares {
					if s.from != at {
						t.Fatalf("shares %v leave a gap, or overlap", shares)
					}
					in := s.from
					for _, node := range tree.nodes(s) {
						if node.from != in {
							t.Fatalf("nodes %v of %v leave a gap, or overlap", tree.nodes(s), s)
						}
						nodes[node], in = true, node.to
					}
					if at = s.to; in != at {
						t.Fatalf("nodes %v do not reach the end of %v", tree.nodes(s), s)
					}
					if got := tree[s.to] - tree[s.from]; got > total/ranks+2*largest {
						t.Errorf("share %v has %d of %d tokens, the largest micro-batch %d", s, got, total, largest)
					}
				}
				if at != n || !covered(tree, tree.root(), nodes) {
					t.Errorf("nodes %v do not make the root of %v", nodes, tree)
				}
			})
		}
	}
}

// covered says whether the sums of some nodes make that of a node.
func covered(t sumTree, node span, nodes map[span]bool) bool {
	if nodes[node] {
		return true
	}
	if node.len() == 1 {
		return false
	}
	left, right := t.halves(node)
	return covered(t, left, nodes) && covered(t, right, nodes)
}

// Where the numbers are powers of two, each rank sends one sum.
func TestSumTreeAligned(t *testing.T) {
	tree := newSumTree([]int{500, 480, 512, 470, 490, 505, 300, 512})
	for ranks, want := range map[int][]span{2: {{0, 4}, {4, 8}}, 4: {{0, 2}, {2, 4}, {4, 6}, {6, 8}}} {
		shares := tree.shares(tree.root(), ranks)
		if !slices.Equal(shares, want) {
			t.Errorf("%d ranks: shares %v, want %v", ranks, shares, want)
		}
		for _, s := range shares {
			if nodes := tree.nodes(s); !slices.Equal(nodes, []span{s}) {
				t.Errorf("%d ranks: %v is made of %v", ranks, s, nodes)
			}
		}
	}
	if d := tree.depth(tree.root()); d != 3 {
		t.Errorf("depth %d, want 3", d)
	}
}
