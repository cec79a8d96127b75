package experiments

import (
	"math"
	"testing"
)

// TestTestPairs compares with figures from the table of Student's t and a numerical integral of its density.
func TestTestPairs(t *testing.T) {
	a := map[uint64]float64{1: 290, 2: 287, 3: 294, 4: 291, 9: 1}
	b := map[uint64]float64{1: 300, 2: 289, 3: 311, 4: 296, 8: 5}
	got := testPairs(a, b) // the differences are -10, -2, -17, -5
	want := pairedTest{n: 4, difference: -8.5, half: 10.43435, p: 0.080901}
	if got.n != want.n || got.difference != want.difference || math.Abs(got.half-want.half) > 1e-3 || math.Abs(got.p-want.p) > 1e-4 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	same := testPairs(a, a)
	if same.p != 1 || same.half != 0 {
		t.Errorf("a row against itself: %+v", same)
	}
	if equal := testPairs(map[uint64]float64{1: 3, 2: 4}, map[uint64]float64{1: 1, 2: 2}); equal.difference != 2 || !math.IsNaN(equal.p) || !math.IsNaN(equal.half) {
		t.Errorf("differences that are all the same: %+v", equal)
	}
	if one := testPairs(map[uint64]float64{1: 2}, map[uint64]float64{1: 3}); one.n != 1 || !math.IsNaN(one.p) {
		t.Errorf("one pair: %+v", one)
	}
}
