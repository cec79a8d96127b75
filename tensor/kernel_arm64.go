package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// The kernels keep their 8×8 sums in 16 of the 32 registers. The caches' shares are those of amd64, since there was no arm64
// machine to measure on.
func init() {
	geometries[cpu.NEON] = geometry{mr: 8, nr: 8, lanes: 8, kc: 512, nb: 64}
}

// tile adds the product of a panel of A and one of B, k deep, to beta·C, rows×cols of it.
func tile(l cpu.Level, k int, a, b, c *float32, ldc, rows, cols int, beta float32, _ uintptr) {
	if l == cpu.Go {
		tileGo(k, a, b, c, ldc, rows, cols, beta)
		return
	}
	tileNEON(k, a, b, c, ldc, rows, cols, beta)
}

// transpose writes dst[k·stride+i] = src[i·ld+k] for a vector of rows i and some blocks of k.
func transpose(l cpu.Level, k kind, blocks int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	switch {
	case l == cpu.Go:
		g := &geometries[l]
		transposeGo(k, g.lanes, blocks*transposeBlock(g, k), src, ld, dst, stride)
	case k == f32:
		transposeF32NEON(blocks, (*float32)(src), ld, dst, stride)
	case k == bf16:
		transposeBF16NEON(blocks, (*uint16)(src), ld, dst, stride)
	default:
		transposeF16NEON(blocks, (*uint16)(src), ld, dst, stride)
	}
}

// copyRows widens the first cols values of a vector from each row of src into each row of dst, the rest zeros.
func copyRows(l cpu.Level, k kind, cols, rows int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	lanes := geometries[l].lanes
	switch {
	case l == cpu.Go || cols < lanes:
		copyRowsGo(k, lanes, cols, rows, src, ld, dst, stride)
	case k == f32:
		copyF32NEON(rows, (*float32)(src), ld, dst, stride)
	case k == bf16:
		copyBF16NEON(rows, (*uint16)(src), ld, dst, stride)
	default:
		copyF16NEON(rows, (*uint16)(src), ld, dst, stride)
	}
}

// dot writes the products of m rows of x (one or two) with four of w, n values (whole vectors): out[4·i+j] = x[i]·w[j].
func dot(l cpu.Level, k kind, m, n int, x *float32, ldx int, w unsafe.Pointer, ldw int, out *float32) {
	f, u := (*float32)(w), (*uint16)(w)
	switch {
	case l == cpu.Go:
		dotGo(k, m, n, x, ldx, w, ldw, out)
	case m == 1 && k == f32:
		dot1F32NEON(n, x, f, ldw, out)
	case m == 1 && k == bf16:
		dot1BF16NEON(n, x, u, ldw, out)
	case m == 1:
		dot1F16NEON(n, x, u, ldw, out)
	case k == f32:
		dot2F32NEON(n, x, ldx, f, ldw, out)
	case k == bf16:
		dot2BF16NEON(n, x, ldx, u, ldw, out)
	default:
		dot2F16NEON(n, x, ldx, u, ldw, out)
	}
}

// peakRounds runs n rounds of multiply-adds on registers and returns their floating-point operations.
func peakRounds(l cpu.Level, n int) (flop float64) {
	if l == cpu.Go {
		return peakGo(n)
	}
	peakNEON(n)
	return float64(n) * 24 * 4 * 2
}
