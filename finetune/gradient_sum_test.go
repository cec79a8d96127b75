package finetune

import (
	"fmt"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// A gradient is the sum along the tree of what the micro-batches add, whatever the buffers hold, also where some have none.
func TestGradientSum(t *testing.T) {
	for kept, lends := range map[int]bool{3: false, 2: true} {
		testGradientSum(t, lends, kept)
	}
}

// testGradientSum wants that a number of gradients is kept beside the parameters' own: with it, and with that which is lent, one more than
// the tree has levels.
func testGradientSum(t *testing.T, lends bool, kept int) {
	sizes := []int{3, addChunk + 5}
	s := gradientSum{lends: lends}
	for i, n := range sizes {
		s.params = append(s.params, model.Param{Name: fmt.Sprint("p", i), Param: op.NewParam(make([]float32, n), 1, n)})
	}
	value := func(i, p, k int) float32 { return float32(1+i*7+p*3) * float32(k%11) * 1e-3 / 3 }
	has := func(i, p int) bool { return (i+p)%3 != 0 }
	for _, n := range []int{1, 2, 5, 8, 8} {
		tokens := slices.Repeat([]int{4}, n)
		tree := newSumTree(tokens)
		err := s.over(tree, tree.root(), func(i int) error {
			for p := range s.params {
				if has(i, p) {
					g := op.Grad(s.params[p].Param).Data
					for k := range g {
						g[k] += value(i, p, k)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var want func(node span, p, k int) float32
		want = func(node span, p, k int) float32 {
			if node.len() == 1 {
				if !has(node.from, p) {
					return 0
				}
				return value(node.from, p, k)
			}
			l, r := tree.halves(node)
			return want(l, p, k) + want(r, p, k)
		}
		for p, size := range sizes {
			some := false
			for i := range n {
				some = some || has(i, p)
			}
			if s.params[p].HasGrad() != some {
				t.Errorf("%d micro-batches: p%d has a gradient: %t, want %t", n, p, !some, some)
			}
			for _, k := range []int{0, 2, size / 2, size - 1} {
				if got := op.Grad(s.params[p].Param).Data[k]; got != want(tree.root(), p, k) {
					t.Errorf("%d micro-batches: p%d[%d] is %v, want %v", n, p, k, got, want(tree.root(), p, k))
				}
			}
			s.params[p].ZeroGrad()
		}
	}
	if len(s.free) != kept {
		t.Errorf("lending %t: %d gradients are kept beside the parameters', want %d", lends, len(s.free), kept)
	}
}

// BenchmarkGradientSum adds up gradients of 2²⁵ values, a quarter of SmolLM2-135M's, of micro-batches that do nothing but add a matrix
// to each: along the tree with leaves of one and of two, and one after the other in the same buffers. The difference is what the tree costs.
func BenchmarkGradientSum(b *testing.B) {
	const side = 1 << 10
	x := make([]float32, side*side)
	for _, n := range []int{1, 2, 8} {
		leaf := 1
		s := gradientSum{}
		for range 32 {
			s.params = append(s.params, model.Param{Param: op.NewParam(make([]float32, side*side), side, side)})
		}
		add := func(int) error {
			for range leaf {
				for _, p := range s.params {
					g := op.Grad(p.Param).Data
					vec.Add(g, g, x)
				}
			}
			return nil
		}
		along := func(size int) func() {
			return func() {
				leaf = size
				tree := newSumTree(slices.Repeat([]int{1}, max(1, n/size)))
				_ = s.over(tree, tree.root(), add)
			}
		}
		for name, sum := range map[string]func(){"tree": along(1), "pairs": along(min(2, n)), "running": func() { leaf = n; _ = add(0) }} {
			b.Run(fmt.Sprint(name, n), func(b *testing.B) {
				for b.Loop() {
					sum()
					for _, p := range s.params {
						p.ZeroGrad()
					}
				}
			})
		}
	}
}
