package tensor

// tileNEON is tile on panels, k rounded up to a multiple of 4.
//
//go:noescape
func tileNEON(k int, a, b, c *float32, ldc, rows, cols int, beta float32)

// transposeF32NEON transposes eight rows of src into columns of dst, in blocks of 8.
//
//go:noescape
func transposeF32NEON(blocks int, src *float32, ld int, dst *float32, stride int)

// transposeBF16NEON transposes eight rows of src into columns of dst, in blocks of 16.
//
//go:noescape
func transposeBF16NEON(blocks int, src *uint16, ld int, dst *float32, stride int)

// transposeF16NEON transposes eight rows of src into columns of dst, in blocks of 8.
//
//go:noescape
func transposeF16NEON(blocks int, src *uint16, ld int, dst *float32, stride int)

// copyF32NEON copies eight values of each row of src into dst.
//
//go:noescape
func copyF32NEON(rows int, src *float32, ld int, dst *float32, stride int)

// copyBF16NEON widens eight values of each row of src into dst.
//
//go:noescape
func copyBF16NEON(rows int, src *uint16, ld int, dst *float32, stride int)

// copyF16NEON widens eight values of each row of src into dst.
//
//go:noescape
func copyF16NEON(rows int, src *uint16, ld int, dst *float32, stride int)

// dot1F32NEON multiplies a row of x with four of w; k counts values, a multiple of 8.
//
//go:noescape
func dot1F32NEON(k int, x *float32, w *float32, ldw int, out *float32)

// dot1BF16NEON multiplies a row of x with four of w; k counts values, a multiple of 8.
//
//go:noescape
func dot1BF16NEON(k int, x *float32, w *uint16, ldw int, out *float32)

// dot1F16NEON multiplies a row of x with four of w; k counts values, a multiple of 8.
//
//go:noescape
func dot1F16NEON(k int, x *float32, w *uint16, ldw int, out *float32)

// dot2F32NEON multiplies two rows of x with four of w; k counts values, a multiple of 8.
//
//go:noescape
func dot2F32NEON(k int, x *float32, ldx int, w *float32, ldw int, out *float32)

// dot2BF16NEON multiplies two rows of x with four of w; k counts values, a multiple of 8.
//
//go:noescape
func dot2BF16NEON(k int, x *float32, ldx int, w *uint16, ldw int, out *float32)

// dot2F16NEON multiplies two rows of x with four of w; k counts values, a multiple of 8.
//
//go:noescape
func dot2F16NEON(k int, x *float32, ldx int, w *uint16, ldw int, out *float32)

// peakNEON runs n rounds of 24 multiply-adds of 4 values.
//
//go:noescape
func peakNEON(n int)
