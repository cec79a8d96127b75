//go:build !amd64

package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// Processors without the units of amd64 multiply bfloat16 in the form rounded: these are never called.

type tileConfig struct{}

func tilePairs(int, *float32, *float32, *float32, int, int, int, float32, uintptr) {
	panic("tensor: no pairs")
}

func transposePairs(kind, int, unsafe.Pointer, int, *float32, int) { panic("tensor: no pairs") }

func mergeRows(kind, int, int, unsafe.Pointer, int, *float32, int) { panic("tensor: no pairs") }

func narrow(int, *float32, *uint16) { panic("tensor: no pairs") }

func roundVectors(cpu.Level, int, *float32) { panic("tensor: no vectors") }

func narrowF16(cpu.Level, int, *float32, *uint16) { panic("tensor: no vectors") }

func peakUnitRounds(cpu.Unit, int) (flop float64) { panic("tensor: no unit") }

func configTiles(*tileConfig, int, int) { panic("tensor: no tiles") }

func tileTiles(*tileConfig, int, *uint16, int, *float32, *float32, int, int, int, bool) {
	panic("tensor: no tiles")
}
