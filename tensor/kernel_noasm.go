//go:build !amd64 && !arm64

package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

func tile(_ cpu.Level, k int, a, b, c *float32, ldc, rows, cols int, beta float32, _ uintptr) {
	tileGo(k, a, b, c, ldc, rows, cols, beta)
}

func transpose(_ cpu.Level, k kind, blocks int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	g := &geometries[cpu.Go]
	transposeGo(k, g.lanes, blocks*transposeBlock(g, k), src, ld, dst, stride)
}

func copyRows(_ cpu.Level, k kind, cols, rows int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	copyRowsGo(k, geometries[cpu.Go].lanes, cols, rows, src, ld, dst, stride)
}

func dot(_ cpu.Level, k kind, m, n int, x *float32, ldx int, w unsafe.Pointer, ldw int, out *float32) {
	dotGo(k, m, n, x, ldx, w, ldw, out)
}

func peakRounds(_ cpu.Level, n int) (flop float64) { return peakGo(n) }
