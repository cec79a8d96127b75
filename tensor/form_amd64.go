package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// tilePairs is tile on panels of pairs.
func tilePairs(k int, a, b, c *float32, ldc, rows, cols int, beta float32, next uintptr) {
	tileBF16AVX512(k, a, b, c, ldc, rows, cols, beta, next)
}

// transposePairs writes the pairs of a vector of rows of src into rows of dst, blocks of pairBlock of k.
func transposePairs(k kind, blocks int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	if k == f32 {
		pairsF32AVX512(blocks, (*float32)(src), ld, dst, stride)
		return
	}
	transposeF32AVX512(blocks, (*float32)(src), ld/2, dst, stride) // a pair of bfloat16 is as wide as a float32
}

// mergeRows makes pairs of every two rows, the first cols values of a vector of each.
func mergeRows(k kind, cols, rows int, src unsafe.Pointer, ld int, dst *float32, stride int) {
	if k == f32 {
		mergeF32AVX512(rows, (*float32)(src), ld, dst, stride, cols)
		return
	}
	mergeBF16AVX512(rows, (*uint16)(src), ld, dst, stride, cols)
}

// narrow rounds blocks of pairBlock values.
func narrow(blocks int, src *float32, dst *uint16) { narrowAVX512(blocks, src, dst) }

// roundVectors rounds whole vectors in place.
func roundVectors(l cpu.Level, n int, x *float32) {
	if l == cpu.AVX512 {
		roundAVX512(n, x)
		return
	}
	roundAVX2(n, x)
}

// narrowF16 rounds whole vectors to half precision.
func narrowF16(l cpu.Level, n int, src *float32, dst *uint16) {
	if l == cpu.AVX512 {
		narrowF16AVX512(n, src, dst)
		return
	}
	narrowF16AVX2(n, src, dst)
}

// tileConfig is the configuration of the tile registers (ldtilecfg): palette 1, and the rows and the bytes of a row of
// each tile.
type tileConfig [64]byte

// configTiles sets the tiles for a block of C.
func configTiles(c *tileConfig, rows, cols int) {
	*c = tileConfig{0: 1}
	set := func(tile, rows, bytes int) {
		if rows > 0 && bytes > 0 {
			c[16+2*tile], c[48+tile] = byte(bytes), byte(rows)
		}
	}
	r, n := [2]int{min(rows, 16), rows - 16}, [2]int{min(cols, 16), cols - 16}
	for i := range 2 {
		set(4+i, r[i], 64)
		set(6+i, 16, 4*n[i])
		for j := range 2 {
			set(2*i+j, r[i], 4*n[j])
		}
	}
}

// tileTiles adds the product of up to 32 rows of A, as rows of bfloat16, and a panel of B, 32 columns wide, to C or, where
// add is false, puts it there. k counts pairs, in multiples of 16.
func tileTiles(config *tileConfig, k int, a *uint16, lda int, b, c *float32, ldc, rows, cols int, add bool) {
	n := 0
	if add {
		n = 1
	}
	tileAMX(&config[0], k, a, lda, b, c, ldc, ceil(rows, 16), ceil(cols, 16), n)
}
