package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
)

// sameBits reports the first difference between two matrices.
func sameBits(t *testing.T, what string, got, want Matrix) {
	t.Helper()
	for i := range want.Rows {
		for j, w := range want.Row(i) {
			if g := got.Row(i)[j]; math.Float32bits(g) != math.Float32bits(w) {
				t.Fatalf("%s: C[%d,%d] = %v, want %v to the bit", what, i, j, g, w)
			}
		}
	}
}

func TestThreadsGiveTheSameBits(t *testing.T) {
	defer SetThreads(0)
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, s := range [][3]int{{300, 320, 300}, {1000, 40, 700}, {40, 1200, 600}, {2, 700, 900}} {
			m, n, k := s[0], s[1], s[2]
			a, b, bt, at := random(rng, m, k), random(rng, n, k), random(rng, k, n), random(rng, k, m)
			var want [4]Matrix
			for threads := 1; threads <= 3; threads++ {
				SetThreads(threads)
				var got [4]Matrix
				for i := range got {
					got[i] = New(m, n)
				}
				NT(got[0], a, b, 0)
				NN(got[1], a, bt, 0)
				TN(got[2], at, bt, 0)
				NT(got[3], a, &scaled{b}, 0)
				for i := range got {
					if threads == 1 {
						want[i] = got[i]
					}
					sameBits(t, fmt.Sprintf("%v, product %d, %d threads", s, i, threads), got[i], want[i])
				}
			}
		}
	})
}

// TestRowsAreIndependent: a row of C is the same whatever other rows are computed with it.
func TestRowsAreIndependent(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		a, b := random(rng, 200, 500), random(rng, 90, 500)
		all := New(200, 90)
		NT(all, a, b, 0)
		for _, cut := range [][2]int{{0, dotRows + 1}, {13, 60}, {199 - 20, 21}, {7, 193}} {
			some := New(cut[1], 90)
			NT(some, a.Slice(cut[0], 0, cut[1], 500), b, 0)
			sameBits(t, fmt.Sprint("rows ", cut), some, all.Slice(cut[0], 0, cut[1], 90))
		}
		few, one := New(dotRows, 90), New(1, 90)
		NT(few, a.Slice(0, 0, dotRows, 500), b, 0)
		for i := range dotRows {
			NT(one, a.Slice(i, 0, 1, 500), b, 0)
			sameBits(t, "one row of four", one, few.Slice(i, 0, 1, 90))
		}
	})
}

// TestChunks packs A in several pieces.
func TestChunks(t *testing.T) {
	k := 2000
	a, b := filled(2*MaxPacked/k+77, k), filled(3, k)
	c := New(a.Rows, 3)
	NT(c, a, b, 0)
	for _, i := range []int{0, MaxPacked/k - 1, MaxPacked / k, a.Rows - 90} {
		some := New(10, 3)
		NT(some, a.Slice(i, 0, 10, k), b, 0)
		sameBits(t, fmt.Sprint("from row ", i), some, c.Slice(i, 0, 10, 3))
	}
}

func TestEmpty(t *testing.T) {
	c := New(2, 3)
	for i := range c.Data {
		c.Data[i] = 4
	}
	NT(c, New(2, 0), New(3, 0), 0.5)
	sameBits(t, "k = 0, beta 0.5", c, View([]float32{2, 2, 2, 2, 2, 2}, 2, 3))
	c.Data[0] = float32(math.NaN())
	NN(c, New(2, 0), New(0, 3), 0)
	sameBits(t, "k = 0, beta 0", c, New(2, 3))
	TN(New(0, 3), New(5, 0), New(5, 3), 1)
	NT(New(3, 0), New(3, 5), BF16{Cols: 5}, 0)
	NN(New(0, 3), New(0, 5), New(5, 3), 0)
	New(4, 4).Slice(4, 4, 0, 0).Slice(0, 0, 0, 0)
	Parallel(0, func(int) { t.Error("called") })
}

func TestWrongShapesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"NT":     func() { NT(New(2, 3), New(2, 4), New(3, 5), 0) },
		"NN":     func() { NN(New(2, 3), New(2, 4), New(3, 4), 0) },
		"TN":     func() { TN(New(2, 3), New(4, 3), New(4, 3), 0) },
		"short":  func() { NT(New(2, 3), New(2, 4), BF16{make([]uint16, 11), 3, 4}, 0) },
		"view":   func() { NT(New(2, 3), Matrix{make([]float32, 7), 2, 4, 4}, New(3, 4), 0) },
		"stride": func() { NT(New(2, 3), Matrix{make([]float32, 8), 2, 4, 3}, New(3, 4), 0) },
		"slice":  func() { New(2, 3).Slice(1, 1, 2, 2) },
		"of":     func() { View(make([]float32, 5), 2, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil {
					t.Error("no panic")
				} else if s, ok := r.(string); !ok || len(s) < 10 {
					t.Errorf("panic %v, want a message", r)
				}
			}()
			f()
		})
	}
}

func TestConcurrentCallers(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	a, b := filled(301, 300), filled(310, 300)
	want := New(301, 310)
	NT(want, a, b, 0)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 3 {
				got := New(301, 310)
				NT(got, a, b, 0)
				sameBits(t, fmt.Sprint("caller ", i), got, want)
				tile := New(20, 30)
				NT(tile, a.Slice(0, 0, 20, 300), b.Slice(0, 0, 30, 300), 0)
				sameBits(t, fmt.Sprint("tile of caller ", i), tile, want.Slice(0, 0, 20, 30))
			}
		})
	}
	wg.Wait()
}

// productSource is a weight whose blocks are products, as an adapter's are.
type productSource struct{ u, v Matrix }

func (s *productSource) Dims() (int, int) { return s.u.Rows, s.v.Rows }

func (s *productSource) Block(dst []float32, ld, i, j, m, n int) {
	NT(Matrix{dst, m, n, ld}, s.u.Slice(i, 0, m, s.u.Cols), s.v.Slice(j, 0, n, s.v.Cols), 0)
}

func TestProductsInsideBlock(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	u, v, a := filled(300, 8), filled(310, 8), filled(290, 310)
	w := New(300, 310)
	NT(w, u, v, 0)
	for _, rows := range []int{1, 290} {
		got, want := New(rows, 300), New(rows, 300)
		NT(got, a.Slice(0, 0, rows, 310), &productSource{u, v}, 0)
		NT(want, a.Slice(0, 0, rows, 310), w, 0)
		for i := range got.Data {
			if d := math.Abs(float64(got.Data[i] - want.Data[i])); d > 1e-4 {
				t.Fatalf("value %d is %v, want %v", i, got.Data[i], want.Data[i])
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	SetThreads(2)
	defer SetThreads(0)
	a, b, c := filled(320, 320), filled(320, 320), New(320, 320)
	h, f := BF16{halves(320, 320), 320, 320}, &scaled{b}
	var s Source = F16{halves(320, 320), 320, 320}
	for name, run := range map[string]func(){
		"NT":       func() { NT(c, a, b, 0) },
		"NT bf16":  func() { NT(c, a, h, 0) },
		"NN f16":   func() { NN(c, a, s, 0) },
		"custom":   func() { NN(c, a, f, 0) },
		"TN":       func() { TN(c, a, b, 1) },
		"small NT": func() { NT(c.Slice(3, 3, 60, 50), a.Slice(2, 9, 60, 64), b.Slice(1, 1, 50, 64), 0) },
		"small TN": func() { TN(c.Slice(3, 3, 60, 50), a.Slice(2, 9, 64, 60), b.Slice(1, 1, 64, 50), 0) },
		"decode":   func() { NT(c.Slice(0, 0, 1, 320), a.Slice(7, 0, 1, 320), h, 0) },
	} {
		run()
		if n := testing.AllocsPerRun(20, run); n != 0 {
			t.Errorf("%s: %v allocations a call, want 0", name, n)
		}
	}
}
