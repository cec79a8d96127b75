package gguf

import "encoding/binary"

// Blocks of 256 values: groups of 16 or 32 have scales of their own, which are integers times the block's.

// Q2_K: 16 scales and minima of 4 bits, 64 bytes of codes, d, dmin. value = d·scale·q − dmin·min. A byte holds a value of
// each of four groups, 32 values apart.
func unpackQ2K(dst []float32, src []byte) {
	for ; len(dst) >= 256 && len(src) >= 84; dst, src = dst[256:], src[84:] {
		b := (*[84]byte)(src)
		d, dmin := half(b[80:]), half(b[82:])
		for g := range 16 {
			y, q := (*[16]float32)(dst[16*g:]), (*[16]byte)(b[16+quarter(g):])
			s, low, shift := d*plain[b[g]&15], float32(dmin*plain[b[g]>>4]), g&6
			affine((*[8]float32)(y[:]), word(q[:])>>shift&low2, s, -low)
			affine((*[8]float32)(y[8:]), word(q[8:])>>shift&low2, s, -low)
		}
	}
}

// quarter is where the codes of group g of Q2_K and Q3_K are: 32 bytes for 128 values, 16 for every other group of them.
func quarter(g int) int { return g/8*32 + g%2*16 }

// Q3_K: 32 bytes of third bits, 64 of codes, 16 scales of 6 bits, d. value = d·(scale−32)·(q−4). Codes lie as in Q2_K;
// group g has bit g/2 of the third bits.
func unpackQ3K(dst []float32, src []byte) {
	for ; len(dst) >= 256 && len(src) >= 110; dst, src = dst[256:], src[110:] {
		b := (*[110]byte)(src)
		d := half(b[108:])
		for g := range 16 {
			y, q, third := (*[16]float32)(dst[16*g:]), (*[16]byte)(b[32+quarter(g):]), (*[16]byte)(b[g%2*16:])
			s := d * less32[b[96+g%8]>>(g/8*4)&15|b[104+g%4]>>(g/4*2)&3<<4]
			shift, bit := g&6, g/2&7
			scale((*[8]float32)(y[:]), word(q[:])>>shift&low2|word(third[:])>>bit&low1<<2, &less4, s)
			scale((*[8]float32)(y[8:]), word(q[8:])>>shift&low2|word(third[8:])>>bit&low1<<2, &less4, s)
		}
	}
}

// groupScale is scale and minimum of group g of Q4_K and Q5_K: 6 bits each of 12 bytes, the two high bits of the last
// four in those of the first eight bytes.
func groupScale(d, dmin float32, b *[12]byte, g int) (scale, low float32) {
	s, m := scaleMin(b, g)
	return d * plain[s], float32(dmin * plain[m])
}

func scaleMin(b *[12]byte, g int) (scale, low uint8) {
	if g < 4 {
		return b[g] & 63, b[g+4] & 63
	}
	return b[g+4]&15 | b[g-4]>>6<<4, b[g+4]>>4 | b[g]>>6<<4
}

// Q4_K: d, dmin, 8 scales and minima, 128 bytes of codes. value = d·scale·q − dmin·min. A byte holds a value of each of
// two groups.
func unpackQ4K(dst []float32, src []byte) {
	for ; len(dst) >= 256 && len(src) >= 144; dst, src = dst[256:], src[144:] {
		b := (*[144]byte)(src)
		d, dmin, scales := half(b[:]), half(b[2:]), (*[12]byte)(b[4:])
		for g := 0; g < 8; g += 2 {
			y, codes := (*[64]float32)(dst[32*g:]), (*[32]byte)(b[16+16*g:])
			d0, m0 := groupScale(d, dmin, scales, g)
			d1, m1 := groupScale(d, dmin, scales, g+1)
			for i := 0; i < 32; i += 8 {
				q := word(codes[i:])
				affine((*[8]float32)(y[i:]), q&low4, d0, -m0)
				affine((*[8]float32)(y[i+32:]), q>>4&low4, d1, -m1)
			}
		}
	}
}

// Q5_K: as Q4_K, with 32 bytes of fifth bits before the codes: bit g of each belongs to group g.
func unpackQ5K(dst []float32, src []byte) {
	for ; len(dst) >= 256 && len(src) >= 176; dst, src = dst[256:], src[176:] {
		b := (*[176]byte)(src)
		d, dmin, scales, fifth := half(b[:]), half(b[2:]), (*[12]byte)(b[4:]), (*[32]byte)(b[16:])
		for g := 0; g < 8; g += 2 {
			y, codes := (*[64]float32)(dst[32*g:]), (*[32]byte)(b[48+16*g:])
			d0, m0 := groupScale(d, dmin, scales, g)
			d1, m1 := groupScale(d, dmin, scales, g+1)
			for i := 0; i < 32; i += 8 {
				q, h := word(codes[i:]), word(fifth[i:])>>(g&7)
				affine((*[8]float32)(y[i:]), q&low4|h&low1<<4, d0, -m0)
				affine((*[8]float32)(y[i+32:]), q>>4&low4|h>>1&low1<<4, d1, -m1)
			}
		}
	}
}

// Q6_K: 128 bytes of low bits, 64 of high bits, 16 scales of 8 bits with a sign, d. value = d·scale·(q−32).
func unpackQ6K(dst []float32, src []byte) {
	for ; len(dst) >= 256 && len(src) >= 210; dst, src = dst[256:], src[210:] {
		b := (*[210]byte)(src)
		d := half(b[208:])
		for h := range 2 {
			y, low, high := (*[128]float32)(dst[128*h:]), (*[64]byte)(b[64*h:]), (*[32]byte)(b[128+32*h:])
			s := (*[8]byte)(b[192+8*h:])
			for i := 0; i < 32; i += 8 {
				l0, l1, u, g := word(low[i:]), word(low[i+32:]), word(high[i:]), i/16
				scale((*[8]float32)(y[i:]), l0&low4|u&low2<<4, &less32, d*signed[s[g]])
				scale((*[8]float32)(y[i+32:]), l1&low4|u>>2&low2<<4, &less32, d*signed[s[g+2]])
				scale((*[8]float32)(y[i+64:]), l0>>4&low4|u>>4&low2<<4, &less32, d*signed[s[g+4]])
				scale((*[8]float32)(y[i+96:]), l1>>4&low4|u>>6&low2<<4, &less32, d*signed[s[g+6]])
			}
		}
	}
}

// IQ4_XS: d, the high bits of 8 scales, their low bits, 8 groups of 16 bytes of codes. value = d·(scale−32)·iq4nl[q].
func unpackIQ4XS(dst []float32, src []byte) {
	for ; len(dst) >= 256 && len(src) >= 136; dst, src = dst[256:], src[136:] {
		b := (*[136]byte)(src)
		d, high := half(b[:]), binary.LittleEndian.Uint16(b[2:])
		for g := range 8 {
			s := d * less32[uint16(b[4+g/2]>>(g%2*4)&15)|high>>(2*g)&3<<4]
			nibbles((*[32]float32)(dst[32*g:]), (*[16]byte)(b[8+16*g:]), &iq4nl, s)
		}
	}
}
