package plot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-analyze/charts"
)

func TestGrid(t *testing.T) {
	null := charts.GetNullValue()
	for _, c := range []struct {
		curves [][]Point
		grid   []float64
		values []float64 // of the first curve
	}{
		{[][]Point{{{0, 1}, {10, 2}, {40, 5}}}, []float64{0, 10, 20, 30, 40}, []float64{1, 2, 3, 4, 5}},
		{[][]Point{{{10, 4}, {20, 8}}, {{5, 0}, {25, 0}}}, []float64{5, 10, 15, 20, 25}, []float64{null, 4, 6, 8, null}},
		{[][]Point{{{7, 3}}}, []float64{7}, []float64{3}},
	} {
		grid := gridOf(c.curves)
		if got := sample(c.curves[0], grid); !slices.Equal(grid, c.grid) || !slices.Equal(got, c.values) {
			t.Errorf("%v: got %v and %v, want %v and %v", c.curves, grid, got, c.grid, c.values)
		}
	}
	if n := len(gridOf([][]Point{{{0, 1}, {1, 1}, {100001, 1}}})); n != gridPoints {
		t.Errorf("a grid of %d places", n)
	}
}

func TestCurves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.svg")
	if err := Curves(path, "title", "loss by step", []string{"a", "b"}, [][]Point{{{0, 3}, {10, 2}, {200, 1}}, {{0, 3}, {50, 1}}}); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(svg), "<svg") || !strings.Contains(string(svg), "title") {
		t.Errorf("%v, %s", err, svg)
	}
	if err := Curves(path, "no point", "", []string{"a"}, [][]Point{nil}); err != nil {
		t.Error(err)
	}
}
