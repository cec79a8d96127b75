package gguf

import (
	"math"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
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
