package tensor

import (
	"math"
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// BF16 is a row-major matrix of bfloat16 bit patterns, possibly a read-only mapping of a file.
type BF16 struct {
	Data       []uint16
	Rows, Cols int
}

// F16 is a row-major matrix of IEEE half-precision bit patterns, possibly a read-only mapping of a file.
type F16 struct {
	Data       []uint16
	Rows, Cols int
}

// Dims returns the numbers of rows and columns.
func (b BF16) Dims() (rows, cols int) { return b.Rows, b.Cols }

// Dims returns the numbers of rows and columns.
func (h F16) Dims() (rows, cols int) { return h.Rows, h.Cols }

// Block widens a block into dst.
func (b BF16) Block(dst []float32, ld, i, j, m, n int) {
	for r := range m {
		o := (i+r)*b.Cols + j
		WidenBF16(dst[r*ld:r*ld+n], b.Data[o:o+n])
	}
}

// Block widens a block into dst.
func (h F16) Block(dst []float32, ld, i, j, m, n int) {
	for r := range m {
		o := (i+r)*h.Cols + j
		WidenF16(dst[r*ld:r*ld+n], h.Data[o:o+n])
	}
}

// FromBF16 widens a bfloat16.
func FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// ToBF16 rounds to the nearest bfloat16, ties to even; NaN stays NaN.
func ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// FromF16 widens a half-precision number.
func FromF16(h uint16) float32 {
	sign, abs := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case abs >= 0x7c00: // infinity, NaN
		b := 0x7f800000 | abs&0x3ff<<13
		if abs > 0x7c00 {
			b |= 0x400000 // quiet, as the processor makes it
		}
		return math.Float32frombits(sign | b)
	case abs >= 0x400:
		return math.Float32frombits(sign | (abs<<13 + 112<<23))
	}
	f := float32(abs) * (1.0 / (1 << 24)) // subnormal
	return math.Float32frombits(sign | math.Float32bits(f))
}

// ToF16 rounds to the nearest half-precision number, ties to even; NaN stays NaN, what is too large becomes infinity.
func ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, abs := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case abs > 0x7f800000:
		return sign | 0x7e00 | uint16(abs>>13)&0x3ff
	case abs >= 0x477ff000: // 65520 rounds to infinity
		return sign | 0x7c00
	case abs >= 113<<23:
		return sign | uint16((abs-112<<23+0xfff+abs>>13&1)>>13)
	}
	// Subnormal: adding ½ leaves the value in steps of 2⁻²⁴, rounded by the processor.
	return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-math.Float32bits(0.5))
}

// WidenBF16 widens len(dst) values of src.
func WidenBF16(dst []float32, src []uint16) { widen(bf16, dst, src[:len(dst)]) }

// WidenF16 widens len(dst) values of src.
func WidenF16(dst []float32, src []uint16) { widen(f16, dst, src[:len(dst)]) }

// maxF16 is the largest half-precision number.
const maxF16 = 65504

// NarrowF16 rounds len(src) values to the nearest half-precision numbers, ties to even; what is too large becomes the largest of its sign.
func NarrowF16(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	v, whole := geometries[cpu.Used].lanes, 0
	if cpu.Used == cpu.AVX2 || cpu.Used == cpu.AVX512 {
		whole = len(src) / v
	}
	const most = 1 << 12 // vectors of one call, some microseconds
	for i := 0; i < whole; i += most {
		narrowF16(cpu.Used, min(most, whole-i), &src[i*v], &dst[i*v])
	}
	for i := whole * v; i < len(src); i++ {
		x := src[i]
		if x > maxF16 {
			x = maxF16
		} else if x < -maxF16 {
			x = -maxF16
		}
		dst[i] = ToF16(x)
	}
}

// RoundF16 writes the values of src to dst as NarrowF16 rounds them.
func RoundF16(dst, src []float32) {
	var buf [512]uint16
	for len(src) > 0 {
		n := min(len(src), len(buf))
		NarrowF16(buf[:n], src[:n])
		WidenF16(dst[:n], buf[:n])
		dst, src = dst[n:], src[n:]
	}
}

func widen(k kind, dst []float32, src []uint16) {
	l := cpu.Used
	v := geometries[l].lanes
	whole := len(dst) / v
	const most = 1 << 12 // rows of one call, some microseconds
	for i := 0; i < whole; i += most {
		copyRows(l, k, v, min(most, whole-i), unsafe.Pointer(&src[i*v]), v, &dst[i*v], v)
	}
	for i := whole * v; i < len(dst); i++ {
		dst[i] = k.from(src[i])
	}
}
