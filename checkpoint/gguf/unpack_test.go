package gguf

import (
	"math"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/tensor"
)

// atLevels runs f with every level of the processor.
func atLevels(t *testing.T, f func(t *testing.T)) {
	used := cpu.Used
	defer func() { cpu.Used = used }()
	for _, l := range cpu.Levels() {
		cpu.Used = l
		t.Run(l.String(), f)
	}
}

// TestDotLevels wants a product of one row with blocks to have the bits of the product with the unpacked values, at every level.
func TestDotLevels(t *testing.T) {
	kernels := 0
	for _, typ := range readableTypes() {
		for _, shape := range [][2]int{{1, 1}, {2, 2}, {3, 1}, {7, 3}, {9, 5}, {70, 40}} {
			rows, cols := shape[0], shape[1]*typ.BlockValues()
			b := Blocks{typ: typ, data: randomBlocks(typ, rows*shape[1]), rows: rows, cols: cols}
			x := tensor.New(1, cols)
			for i := range x.Data {
				x.Data[i] = float32(i%19) - 9.25
			}
			atLevels(t, func(t *testing.T) {
				w := tensor.New(rows, cols)
				b.Block(w.Data, cols, 0, 0, rows, cols)
				got, want := tensor.New(1, rows), tensor.New(1, rows)
				for i := range got.Data {
					got.Data[i], want.Data[i] = 3, 3
				}
				tensor.NT(want, x, w, 0.5)
				tensor.NT(got, x, b, 0.5)
				for i, v := range want.Data {
					if math.Float32bits(got.Data[i]) != math.Float32bits(v) && !(v != v && got.Data[i] != got.Data[i]) {
						t.Fatalf("%s, %d×%d: product %d is %v, want %v", typ, rows, cols, i, got.Data[i], v)
					}
				}
				if b.Dot(make([]float32, rows), x.Data, 0, 1, 0) {
					kernels++
				}
			})
		}
	}
	if kernels == 0 && cpu.Best >= cpu.AVX2 { // NEON has none
		t.Error("no level has a kernel")
	}
}

// TestUnpackLevels wants the same bits from the vectors of every level as from Go, for whole blocks and for a block's parts.
func TestUnpackLevels(t *testing.T) {
	for _, typ := range readableTypes() {
		n := typ.BlockValues()
		for _, blocks := range []int{1, 2, 7, 300} {
			data := randomBlocks(typ, blocks)
			want := make([]float32, blocks*n)
			unpackGo(typ, want, data)
			atLevels(t, func(t *testing.T) {
				got := make([]float32, blocks*n+1)
				got[blocks*n] = 7
				unpack(typ, got[:blocks*n], data)
				for i, w := range want {
					if math.Float32bits(got[i]) != math.Float32bits(w) && !(w != w && got[i] != got[i]) {
						t.Fatalf("%s, %d blocks: value %d is %v, want %v", typ, blocks, i, got[i], w)
					}
				}
				if got[blocks*n] != 7 {
					t.Errorf("%s: a value after the last was written", typ)
				}
			})
		}
	}
}
