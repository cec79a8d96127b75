package gguf

import (
	"encoding/binary"
	"math"

	"github.com/spagotune/spagotune/tensor"
)

// unpack writes the values of whole blocks of type t to dst, as many as fill it. Each product is rounded before something
// is added, as in GGML; that is what float32(…) around a product says.
func unpack(t Type, dst []float32, src []byte) {
	if !unpackVectors(t, dst, src) {
		unpackGo(t, dst, src)
	}
}

// unpackGo is unpack in Go.
func unpackGo(t Type, dst []float32, src []byte) {
	switch t {
	case F32, F64, F16, BF16:
		unpackDense(t, dst, src)
	case Q4_0:
		unpackQ40(dst, src)
	case Q4_1:
		unpackQ41(dst, src)
	case Q5_0:
		unpackQ50(dst, src)
	case Q5_1:
		unpackQ51(dst, src)
	case Q8_0:
		unpackQ80(dst, src)
	case Q2K:
		unpackQ2K(dst, src)
	case Q3K:
		unpackQ3K(dst, src)
	case Q4K:
		unpackQ4K(dst, src)
	case Q5K:
		unpackQ5K(dst, src)
	case Q6K:
		unpackQ6K(dst, src)
	case IQ4NL:
		unpackIQ4NL(dst, src)
	case IQ4XS:
		unpackIQ4XS(dst, src)
	case MXFP4:
		unpackMXFP4(dst, src)
	}
}

func unpackDense(t Type, dst []float32, src []byte) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = half(src[2*i:])
		}
	case BF16:
		for i := range dst {
			dst[i] = tensor.FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	}
}

// half reads a half-precision number.
func half(b []byte) float32 { return tensor.FromF16(binary.LittleEndian.Uint16(b)) }

// word reads eight codes of a byte each, or of several parts.
func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// The low bits of each of eight bytes.
const (
	low1 = 0x0101010101010101
	low2 = 0x0303030303030303
	low4 = 0x0f0f0f0f0f0f0f0f
)

// values are what codes stand for. All tables have 256 values, so that a byte needs no check, and loading is faster than
// converting.
type values [256]float32

var (
	plain  = numbers(0)  // the code as it is
	less4  = numbers(4)  // code − 4
	less8  = numbers(8)  // code − 8
	less16 = numbers(16) // code − 16
	less32 = numbers(32) // code − 32
	signed = signedNumbers()

	// iq4nl are the values of IQ4_NL and IQ4_XS, dense around 0 (ggml-common.h, kvalues_iq4nl).
	iq4nl = values{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	// e2m1 are the values of a 4-bit float, doubled (OCP Microscaling Formats v1.0, 5.3.3).
	e2m1 = values{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

func numbers(zero int) (v values) {
	for i := range v {
		v[i] = float32(i - zero)
	}
	return v
}

// signedNumbers are the bytes as numbers with a sign.
func signedNumbers() (v values) {
	for i := range v {
		v[i] = float32(int8(i))
	}
	return v
}

// scale writes d times the values of eight codes.
func scale(y *[8]float32, codes uint64, v *values, d float32) {
	y[0] = d * v[byte(codes)]
	y[1] = d * v[byte(codes>>8)]
	y[2] = d * v[byte(codes>>16)]
	y[3] = d * v[byte(codes>>24)]
	y[4] = d * v[byte(codes>>32)]
	y[5] = d * v[byte(codes>>40)]
	y[6] = d * v[byte(codes>>48)]
	y[7] = d * v[byte(codes>>56)]
}

// affine writes d times eight codes, plus m.
func affine(y *[8]float32, codes uint64, d, m float32) {
	y[0] = float32(d*plain[byte(codes)]) + m
	y[1] = float32(d*plain[byte(codes>>8)]) + m
	y[2] = float32(d*plain[byte(codes>>16)]) + m
	y[3] = float32(d*plain[byte(codes>>24)]) + m
	y[4] = float32(d*plain[byte(codes>>32)]) + m
	y[5] = float32(d*plain[byte(codes>>40)]) + m
	y[6] = float32(d*plain[byte(codes>>48)]) + m
	y[7] = float32(d*plain[byte(codes>>56)]) + m
}
