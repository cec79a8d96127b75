package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// tile adds the product of a panel of A and one of B, k deep, to beta·C, rows×cols of it. It prefetches 32·k bytes
// from next on.
func tile(l cpu.Level, k int, a, b, c *float32, ldc, rows, cols int, beta float32, next uintptr) {
	switch l {
	case cpu.AVX512:
		tileAVX512(k, a, b, c, ldc, rows, cols, beta, next)
	case cpu.AVX2:
		tileAVX2(k, a, b, c, ldc, rows, cols, beta, next)
	default:
		tileGo(k, a, b, c, ldc, rows, cols, beta)
	}
}

// transpose writes dst[k·stride+i] = src[i·ld+k] for a vector of rows i and some blocks of k.
func transpose(l cpu.Level, k kind, blocks int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	f, u := (*float32)(src), (*uint16)(src)
	switch {
	case l == cpu.Go:
		g := &geometries[l]
		transposeGo(k, g.lanes, blocks*transposeBlock(g, k), src, ld, dst, stride)
	case l == cpu.AVX512 && k == f32:
		transposeF32AVX512(blocks, f, ld, dst, stride)
	case l == cpu.AVX512 && k == bf16:
		transposeBF16AVX512(blocks, u, ld, dst, stride)
	case l == cpu.AVX512:
		transposeF16AVX512(blocks, u, ld, dst, stride)
	case k == f32:
		transposeF32AVX2(blocks, f, ld, dst, stride)
	case k == bf16:
		transposeBF16AVX2(blocks, u, ld, dst, stride)
	default:
		transposeF16AVX2(blocks, u, ld, dst, stride)
	}
}

// copyRows widens the first cols values of a vector from each row of src into each row of dst, the rest zeros.
func copyRows(l cpu.Level, k kind, cols, rows int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	f, u := (*float32)(src), (*uint16)(src)
	switch {
	case cols < geometries[l].lanes:
		copyEdges(l, k, cols, rows, src, ld, dst, stride)
	case l == cpu.Go:
		copyRowsGo(k, cols, cols, rows, src, ld, dst, stride)
	case l == cpu.AVX512 && k == f32:
		copyF32AVX512(rows, f, ld, dst, stride)
	case l == cpu.AVX512 && k == bf16:
		copyBF16AVX512(rows, u, ld, dst, stride)
	case l == cpu.AVX512:
		copyF16AVX512(rows, u, ld, dst, stride)
	case k == f32:
		copyF32AVX2(rows, f, ld, dst, stride)
	case k == bf16:
		copyBF16AVX2(rows, u, ld, dst, stride)
	default:
		copyF16AVX2(rows, u, ld, dst, stride)
	}
}

func copyEdges(l cpu.Level, k kind, cols, rows int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	f, u := (*float32)(src), (*uint16)(src)
	switch {
	case l == cpu.AVX512 && k == f32:
		edgeF32AVX512(rows, f, ld, dst, stride, cols)
	case l == cpu.AVX512 && k == bf16:
		edgeBF16AVX512(rows, u, ld, dst, stride, cols)
	case l == cpu.AVX512:
		edgeF16AVX512(rows, u, ld, dst, stride, cols)
	case l == cpu.AVX2 && k == f32:
		edgeF32AVX2(rows, f, ld, dst, stride, cols)
	default:
		copyRowsGo(k, geometries[l].lanes, cols, rows, src, ld, dst, stride)
	}
}

// dot writes the products of m rows of x (one or two) with four of w, n values (whole vectors): out[4·i+j] = x[i]·w[j].
func dot(l cpu.Level, k kind, m, n int, x *float32, ldx int, w unsafe.Pointer, ldw int, out *float32) {
	if m == 1 {
		dot1(l, k, n, x, w, ldw, out)
		return
	}
	f, u := (*float32)(w), (*uint16)(w)
	switch {
	case l == cpu.Go:
		dotGo(k, m, n, x, ldx, w, ldw, out)
	case l == cpu.AVX512 && k == f32:
		dot2F32AVX512(n, x, ldx, f, ldw, out)
	case l == cpu.AVX512 && k == bf16:
		dot2BF16AVX512(n, x, ldx, u, ldw, out)
	case l == cpu.AVX512:
		dot2F16AVX512(n, x, ldx, u, ldw, out)
	case k == f32:
		dot2F32AVX2(n, x, ldx, f, ldw, out)
	case k == bf16:
		dot2BF16AVX2(n, x, ldx, u, ldw, out)
	default:
		dot2F16AVX2(n, x, ldx, u, ldw, out)
	}
}

func dot1(l cpu.Level, k kind, n int, x *float32, w unsafe.Pointer, ldw int, out *float32) {
	f, u := (*float32)(w), (*uint16)(w)
	switch {
	case l == cpu.Go:
		dotGo(k, 1, n, x, 0, w, ldw, out)
	case l == cpu.AVX512 && k == f32:
		dot1F32AVX512(n, x, f, ldw, out)
	case l == cpu.AVX512 && k == bf16:
		dot1BF16AVX512(n, x, u, ldw, out)
	case l == cpu.AVX512:
		dot1F16AVX512(n, x, u, ldw, out)
	case k == f32:
		dot1F32AVX2(n, x, f, ldw, out)
	case k == bf16:
		dot1BF16AVX2(n, x, u, ldw, out)
	default:
		dot1F16AVX2(n, x, u, ldw, out)
	}
}

// peakRounds runs n rounds of multiply-adds on registers and returns their floating-point operations.
func peakRounds(l cpu.Level, n int) (flop float64) {
	switch l {
	case cpu.AVX512:
		peakAVX512(n)
		return float64(n) * 28 * 16 * 2
	case cpu.AVX2:
		peakAVX2(n)
		return float64(n) * 12 * 8 * 2
	}
	return peakGo(n)
}

// peakUnitRounds is peakRounds for a unit of bfloat16.
func peakUnitRounds(u cpu.Unit, n int) (flop float64) {
	if u == cpu.AMX {
		var config tileConfig
		configTiles(&config, 32, 32)
		peakAMX(&config[0], n)
		return float64(n) * 4 * 16 * 16 * 32 * 2
	}
	peakBF16AVX512(n)
	return float64(n) * 28 * 32 * 2
}
