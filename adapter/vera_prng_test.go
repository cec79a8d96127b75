package adapter

import (
	"strconv"
	"testing"

	"gonum.org/v1/gonum/mathext/prng"
)

// TestVeRAPRNG: A [3, 700], and then B [5, 3], are to the bit the matrices that PEFT's VeRA draws from
// torch.Generator().manual_seed(7) (PyTorch 2.15).
func TestVeRAPRNG(t *testing.T) {
	g := prng.NewMT19937()
	g.Seed(7)
	a, b := torchKaiming(g, 3*700, 700), torchKaiming(g, 15, 3)
	for _, tt := range []struct {
		got  float32
		want string
	}{
		{a[0], "0x1.a7c8280000000p-8"}, {a[1], "-0x1.c8dfe00000000p-5"}, {a[2], "0x1.e3013e0000000p-6"},
		{a[699], "0x1.3228fe0000000p-5"}, {a[700], "0x1.403f800000000p-6"}, {a[2099], "-0x1.0147740000000p-4"},
		{b[0], "0x1.5b2c340000000p-1"}, {b[14], "-0x1.b86b340000000p-3"},
	} {
		want, err := strconv.ParseFloat(tt.want, 64)
		if err != nil || float64(tt.got) != want {
			t.Errorf("got %x, want %s (%v)", tt.got, tt.want, err)
		}
	}
}
