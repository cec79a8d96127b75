package adapter

import (
	"testing"

	"gonum.org/v1/gonum/mathext/prng"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// TestVeRAShares: layers of different sizes share one A and one B, which follow from the key.
func TestVeRAShares(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "vera", map[string]any{"r": 5, "projection_prng_key": 2}))
	c := a.Method.(*VeRA)
	if got := op.Data(c.a); got.Rows != 5 || got.Cols != 37 {
		t.Errorf("A is %d×%d", got.Rows, got.Cols)
	}
	want := prng.NewMT19937()
	want.Seed(2)
	golden.Close(t, "A", op.Data(c.a).Data, torchKaiming(want, 5*37, 37), 0, false)
	golden.Close(t, "B", op.Data(c.b).Data, torchKaiming(want, 37*5, 5), 0, false)
	for _, l := range a.layers {
		if &l.Adapter.(*vera).a.Data[0] != &op.Data(c.a).Data[0] {
			t.Errorf("%s does not share A", l.Path())
		}
	}
	if want := 3 * (4*5 + 18 + 6 + 6 + 20 + 3*5 + 37 + 37 + 20); a.NumTrainable() != want {
		t.Errorf("%d trainable, want %d", a.NumTrainable(), want)
	}
}
