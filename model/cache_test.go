package model

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// TestRepeatedCache: a copy of a document, and one that was cropped, continue as the whole text does; the origin does not change.
func TestRepeatedCache(t *testing.T) {
	config, err := os.ReadFile(filepath.Join("..", "evaldata", "base", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(config, Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	logits := func(c *Cache, docs ...[]int32) []float32 {
		t.Helper()
		b := &Batch{CuSeqLens: []int{0}}
		var last []int
		for _, d := range docs {
			b.IDs = append(b.IDs, d...)
			b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
			last = append(last, len(b.IDs)-1)
		}
		p := &op.Pass{}
		defer p.Release()
		out, err := m.Logits(p, b, last, c)
		if err != nil {
			t.Fatal(err)
		}
		var all []float32
		for i := range out.Rows {
			all = append(all, out.Row(i)...)
		}
		return all
	}
	prefix, x, y := []int32{5, 6, 7, 8, 9}, []int32{11, 12}, []int32{21, 22, 23}
	want := logits(nil, append(prefix[:5:5], x...), append(prefix[:5:5], y...))
	origin := m.NewCache(1)
	logits(origin, prefix)
	for range 2 { // the second time from the same origin
		copies := origin.Repeat(0, 3)
		logits(copies.Select([]int{2, 0}), y, x)
		for d := range 3 {
			copies.Crop(d, len(prefix))
		}
		golden.Close(t, "continued", logits(copies.Select([]int{1, 2}), x, y), want, 1e-5, false)
		if origin.Len(0) != len(prefix) || copies.Len(0) != len(prefix) || copies.Len(2) != len(prefix)+len(y) || copies.Bytes(2) == 0 {
			t.Errorf("lengths %d, %d, %d", origin.Len(0), copies.Len(0), copies.Len(2))
		}
	}
}
