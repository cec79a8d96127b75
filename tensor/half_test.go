package tensor

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/x448/float16"
)

func TestHalfRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if got, want := FromF16(h), float16.Frombits(h).Float32(); math.Float32bits(got) != math.Float32bits(want)|quiet(want) {
			t.Fatalf("FromF16(%#04x) = %v, want %v", h, got, want)
		}
		if f := FromF16(h); f == f && ToF16(f) != h {
			t.Fatalf("ToF16(%v) = %#04x, want %#04x", f, ToF16(f), h)
		}
		if f := FromBF16(h); f == f && ToBF16(f) != h {
			t.Fatalf("ToBF16(%v) = %#04x, want %#04x", f, ToBF16(f), h)
		} else if g := FromBF16(ToBF16(f)); f != f && g == g {
			t.Fatalf("ToBF16 of a NaN is %v", g)
		}
	}
}

// quiet is the bit that the processor sets in a NaN.
func quiet(f float32) uint32 {
	if f != f {
		return 0x400000
	}
	return 0
}

func TestRounding(t *testing.T) {
	for i := uint64(0); i < 1<<32; i += 9973 {
		f := math.Float32frombits(uint32(i))
		h := ToF16(f)
		if f != f {
			if g := FromF16(h); g == g {
				t.Fatalf("ToF16 of NaN %#x is %v", i, g)
			}
			continue
		}
		if want := float16.Fromfloat32(f).Bits(); h != want {
			t.Fatalf("ToF16(%v) = %#04x, want %#04x", f, h, want)
		}
		b := ToBF16(f)
		lo, hi := FromBF16(uint16(i>>16)), FromBF16(uint16(i>>16)+1)
		dl, dh := math.Abs(float64(f)-float64(lo)), math.Abs(float64(hi)-float64(f))
		if math.IsInf(float64(hi), 0) || math.IsInf(float64(f), 0) {
			continue
		}
		want := uint16(i >> 16)
		if dh < dl || dh == dl && want&1 == 1 {
			want++
		}
		if b != want {
			t.Fatalf("ToBF16(%v) = %#04x, want %#04x", f, b, want)
		}
	}
	inf := float32(math.Inf(1))
	for _, f := range []float32{math.MaxFloat32, inf} {
		if got := FromBF16(ToBF16(f)); got != inf {
			t.Errorf("bf16 of %v is %v, want +Inf", f, got)
		}
	}
}

func TestWiden(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		src := make([]uint16, 1<<16)
		for i := range src {
			src[i] = uint16(i)
		}
		for _, n := range []int{0, 1, 7, 16, 33, 1000, 1 << 16} {
			b, h := make([]float32, n+1), make([]float32, n+1)
			WidenBF16(b[:n], src)
			WidenF16(h[:n], src)
			for i := range n {
				if math.Float32bits(b[i]) != uint32(i)<<16 {
					t.Fatalf("WidenBF16 of %#04x is %v", i, b[i])
				}
				if math.Float32bits(h[i]) != math.Float32bits(FromF16(uint16(i))) {
					t.Fatalf("WidenF16 of %#04x is %v, want %v", i, h[i], FromF16(uint16(i)))
				}
			}
			if b[n] != 0 || h[n] != 0 {
				t.Fatalf("%d values: written past the end", n)
			}
		}
	})
}

func TestPeak(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		if p := Peak(); p < 0.1 || p > 1e4 {
			t.Errorf("Peak() = %v GFLOP/s", p)
		}
	})
}

// TestNarrowF16 wants the same halves from every level, and values that stay as they are once they are rounded.
func TestNarrowF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 8))
	src := []float32{0, float32(math.Copysign(0, -1)), 1, -1.0009765, 65504, 65510, 65520, 7e4, -1e30, 1e-8, -3e-8, 6e-5, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}
	for range 1100 {
		src = append(src, float32(rng.NormFloat64()*math.Exp(10*rng.NormFloat64())))
	}
	atLevels(t, func(t *testing.T) {
		got, round := make([]uint16, len(src)), make([]float32, len(src))
		NarrowF16(got, src)
		RoundF16(round, src)
		for i, x := range src {
			want := ToF16(max(-maxF16, min(maxF16, x)))
			if got[i] != want && x == x || x != x && got[i]&0x7c00 != 0x7c00 {
				t.Errorf("%g is rounded to %#x, want %#x", x, got[i], want)
			}
			if x == x && round[i] != FromF16(want) {
				t.Errorf("%g is rounded to %g, want %g", x, round[i], FromF16(want))
			}
		}
	})
}
