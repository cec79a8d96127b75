package llamacpp

import "testing"

// TestRows: both orders are permutations, and each undoes the other.
func TestRows(t *testing.T) {
	for _, d := range []int{2, 4, 64} {
		for i := range 3 * d {
			if got := halfRow(pairRow(i, d), d); got != i {
				t.Errorf("heads of %d: row %d becomes %d", d, i, got)
			}
			if got := pairRow(halfRow(i, d), d); got != i {
				t.Errorf("heads of %d: row %d becomes %d", d, i, got)
			}
		}
	}
	if pairRow(0, 64) != 0 || pairRow(1, 64) != 2 || pairRow(32, 64) != 1 || pairRow(33, 64) != 3 || pairRow(64+33, 64) != 67 {
		t.Error("value j of a head is rotated with value j+32, in llama.cpp 2j with 2j+1")
	}
}
