package gguf

import (
	"encoding/binary"

	"github.com/spagotune/spagotune/checkpoint"
)

// Blocks of 32 values with one scale. A byte holds the 4 low bits of value i and of value i+16.

// Q4_0: value = d·(q−8).
func unpackQ40(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 18; dst, src = dst[32:], src[18:] {
		b := (*[18]byte)(src)
		nibbles((*[32]float32)(dst), (*[16]byte)(b[2:]), &less8, half(b[:]))
	}
}

// IQ4_NL: value = d·iq4nl[q].
func unpackIQ4NL(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 18; dst, src = dst[32:], src[18:] {
		b := (*[18]byte)(src)
		nibbles((*[32]float32)(dst), (*[16]byte)(b[2:]), &iq4nl, half(b[:]))
	}
}

// MXFP4: value = 2ᵉ⁻¹²⁸·e2m1[q]; the scale is halved, as the values are doubled.
func unpackMXFP4(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 17; dst, src = dst[32:], src[17:] {
		b := (*[17]byte)(src)
		nibbles((*[32]float32)(dst), (*[16]byte)(b[1:]), &e2m1, checkpoint.HalfE8M0(b[0]))
	}
}

// nibbles unpacks 32 codes of 4 bits.
func nibbles(y *[32]float32, codes *[16]byte, v *values, d float32) {
	for i := 0; i < 16; i += 8 {
		q := word(codes[i:])
		scale((*[8]float32)(y[i:]), q&low4, v, d)
		scale((*[8]float32)(y[i+16:]), q>>4&low4, v, d)
	}
}

// Q4_1: value = d·q + m.
func unpackQ41(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 20; dst, src = dst[32:], src[20:] {
		b, y := (*[20]byte)(src), (*[32]float32)(dst)
		d, m := half(b[:]), half(b[2:])
		for i := 0; i < 16; i += 8 {
			q := word(b[4+i:])
			affine((*[8]float32)(y[i:]), q&low4, d, m)
			affine((*[8]float32)(y[i+16:]), q>>4&low4, d, m)
		}
	}
}

// fifthBits are the bits of a byte as the fifth bits of eight codes.
var fifthBits = func() (t [256]uint64) {
	for b := range t {
		for i := range 8 {
			t[b] |= uint64(b>>i&1) << (8*i + 4)
		}
	}
	return t
}()

// Q5_0: value = d·(q−16). The fifth bits are those of one number of 32 bits.
func unpackQ50(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 22; dst, src = dst[32:], src[22:] {
		b, y := (*[22]byte)(src), (*[32]float32)(dst)
		d, fifth := half(b[:]), binary.LittleEndian.Uint32(b[2:])
		for i := 0; i < 16; i += 8 {
			q := word(b[6+i:])
			scale((*[8]float32)(y[i:]), q&low4|fifthBits[byte(fifth)], &less16, d)
			scale((*[8]float32)(y[i+16:]), q>>4&low4|fifthBits[byte(fifth>>16)], &less16, d)
			fifth >>= 8
		}
	}
}

// Q5_1: value = d·q + m.
func unpackQ51(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 24; dst, src = dst[32:], src[24:] {
		b, y := (*[24]byte)(src), (*[32]float32)(dst)
		d, m, fifth := half(b[:]), half(b[2:]), binary.LittleEndian.Uint32(b[4:])
		for i := 0; i < 16; i += 8 {
			q := word(b[8+i:])
			affine((*[8]float32)(y[i:]), q&low4|fifthBits[byte(fifth)], d, m)
			affine((*[8]float32)(y[i+16:]), q>>4&low4|fifthBits[byte(fifth>>16)], d, m)
			fifth >>= 8
		}
	}
}

// Q8_0: value = d·q.
func unpackQ80(dst []float32, src []byte) {
	for ; len(dst) >= 32 && len(src) >= 34; dst, src = dst[32:], src[34:] {
		b, y := (*[34]byte)(src), (*[32]float32)(dst)
		d := half(b[:])
		for i := 0; i < 32; i += 8 {
			scale((*[8]float32)(y[i:]), word(b[2+i:]), &signed, d)
		}
	}
}
