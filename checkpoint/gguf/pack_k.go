package gguf

import "math"

// Blocks of 256 values. Scales are found by trying some and keeping the one with the smallest weighted square error.

// nearest is the nearest whole number, ties to even: adding 1.5·2²³ leaves it in the low bits. The conversion keeps a
// product x from being fused with the sum.
func nearest(x float32) int {
	return int(math.Float32bits(float32(x)+12582912)&0x7fffff) - 0x400000
}

// clamped is the nearest whole number from least to most.
func clamped(x float32, least, most int) int { return max(least, min(most, nearest(x))) }

// grid is what is tried for a group of Q4_K or Q5_K: codes 0 to most; steps+1 scales, such that the range of values takes
// most+first, then 0.1 more each time.
type grid struct {
	most  int
	first float32
	steps int
}

var (
	gridQ4K = grid{most: 15, first: -1, steps: 20}
	gridQ5K = grid{most: 31, first: -0.5, steps: 15}
)

// group is 32 values that share a scale and a minimum: value = scale·code − low, low ≥ 0.
type group struct {
	x, weight *[32]float32
	codes     [32]byte
	scale     float32
	low       float32 // negated, as long as it is being looked for

	sumW, sumX float32 // Σ w, Σ w·x
}

// weights are how much an error of each value counts: its magnitude plus the root mean square of all.
func weights(x *[32]float32) (w [32]float32) {
	var squares float32
	for _, v := range x {
		squares += float32(v * v)
	}
	mean := float32(math.Sqrt(float64(squares / 32)))
	for i, v := range x {
		w[i] = mean + abs(v)
	}
	return w
}

// fit finds the codes, the scale and the minimum.
func (g *grid) fit(x *[32]float32) group {
	w := weights(x)
	f := group{x: x, weight: &w}
	low, high := x[0], x[0]
	for i, v := range x {
		low, high = min(low, v), max(high, v)
		f.sumW += w[i]
		f.sumX += float32(w[i] * v)
	}
	f.low = min(low, 0)
	if high == f.low {
		f.low = -f.low
		return f
	}
	inverse := float32(g.most) / (high - f.low)
	f.scale = 1 / inverse
	f.codes = f.round(inverse, g.most)
	best := f.error(&f.codes, f.scale, f.low)
	for i := range g.steps + 1 {
		codes := f.round((g.first+float32(0.1*float32(i))+float32(g.most))/(high-f.low), g.most)
		scale, low, ok := f.solve(&codes)
		if !ok {
			continue
		}
		if e := f.error(&codes, scale, low); e < best {
			best, f.codes, f.scale, f.low = e, codes, scale, low
		}
	}
	f.low = -f.low
	return f
}

// round are the codes of the values above the minimum found so far.
func (f *group) round(inverse float32, most int) (codes [32]byte) {
	for i, v := range f.x {
		codes[i] = byte(clamped(inverse*(v-f.low), 0, most))
	}
	return codes
}

// error is Σ w·(scale·code + low − x)².
func (f *group) error(codes *[32]byte, scale, low float32) (sum float32) {
	for i, q := range codes {
		d := float32(scale*plain[q]) + low - f.x[i]
		sum += float32(f.weight[i] * float32(d*d))
	}
	return sum
}

// solve finds scale and minimum of the least square error for given codes, with a minimum of 0 at most. It is not ok if
// all codes are the same.
func (f *group) solve(codes *[32]byte) (scale, low float32, ok bool) {
	var sumL, sumLL, sumXL float32 // Σ w·code, Σ w·code², Σ w·code·x
	for i, q := range codes {
		wl := f.weight[i] * plain[q]
		sumL += float32(wl)
		sumLL += float32(float32(wl) * plain[q])
		sumXL += float32(float32(wl) * f.x[i])
	}
	det := float32(f.sumW*sumLL) - float32(sumL*sumL)
	if !(det > 0) {
		return 0, 0, false
	}
	scale = (float32(f.sumW*sumXL) - float32(f.sumX*sumL)) / det
	low = (float32(sumLL*f.sumX) - float32(sumL*sumXL)) / det
	if low > 0 {
		return sumXL / sumLL, 0, true
	}
	return scale, low, true
}

// packGroups stores d, dmin, scales and minima of a block of Q4_K or Q5_K in its first 16 bytes, and returns the codes.
func (g *grid) packGroups(b *[16]byte, x *[256]float32) (codes [256]byte) {
	var scales, lows [8]float32
	for i := range scales {
		f := g.fit((*[32]float32)(x[32*i:]))
		scales[i], lows[i] = f.scale, f.low
		copy(codes[32*i:], f.codes[:])
	}
	putHalf(b[:], sixBits(&scales))
	putHalf(b[2:], sixBits(&lows))
	packed := (*[12]byte)(b[4:])
	putScaleMin(packed, &scales, &lows)
	d, dmin := half(b[:]), half(b[2:])
	for i := range scales {
		s, m := groupScale(d, dmin, packed, i)
		if s == 0 {
			continue
		}
		for j, v := range x[32*i : 32*i+32] {
			codes[32*i+j] = byte(clamped((v+m)/s, 0, g.most))
		}
	}
	return codes
}

// sixBits turns scales into whole numbers from 0 to 63, times what it returns.
func sixBits(scales *[8]float32) float32 {
	var most, inverse float32
	for _, s := range scales {
		most = max(most, s)
	}
	if most > 0 {
		inverse = 63 / most
	}
	for i, s := range scales {
		scales[i] = float32(min(63, uint8(nearest(inverse*s))))
	}
	return most / 63
}

// putScaleMin stores what scaleMin reads.
func putScaleMin(b *[12]byte, scales, lows *[8]float32) {
	for g := range 4 {
		s, m, s4, m4 := byte(scales[g]), byte(lows[g]), byte(scales[g+4]), byte(lows[g+4])
		b[g], b[g+4], b[g+8] = s|s4>>4<<6, m|m4>>4<<6, s4&15|m4<<4
	}
}

func packQ4K(dst []byte, src []float32) {
	for ; len(src) >= 256; dst, src = dst[144:], src[256:] {
		codes := gridQ4K.packGroups((*[16]byte)(dst), (*[256]float32)(src))
		putPairs(dst[16:144], &codes)
	}
}

// putPairs stores the low four bits of 256 codes, i and i+32 of each 64 in a byte.
func putPairs(b []byte, codes *[256]byte) {
	for i := range b {
		at := i/32*64 + i%32
		b[i] = codes[at]&15 | codes[at+32]<<4
	}
}

func packQ5K(dst []byte, src []float32) {
	for ; len(src) >= 256; dst, src = dst[176:], src[256:] {
		codes := gridQ5K.packGroups((*[16]byte)(dst), (*[256]float32)(src))
		fifth := dst[16:48]
		clear(fifth)
		for i, q := range codes {
			fifth[i%32] |= q >> 4 << (i / 32)
		}
		putPairs(dst[48:176], &codes)
	}
}

// tiny is the magnitude below which values count as 0.
const tiny = 1e-15

func packQ6K(dst []byte, src []float32) {
	for ; len(src) >= 256; dst, src = dst[210:], src[256:] {
		b, x := (*[210]byte)(dst), (*[256]float32)(src)
		*b = [210]byte{}
		var codes [256]byte
		var scales [16]float32
		for g := range scales {
			scales[g] = fitSigned((*[16]float32)(x[16*g:]), (*[16]byte)(codes[16*g:]))
		}
		most := extreme(scales[:])
		if abs(most) < tiny {
			continue
		}
		inverse := -128 / most
		putHalf(b[208:], 1/inverse)
		d := half(b[208:])
		for g, s := range scales {
			b[192+g] = byte(min(127, nearest(inverse*s)))
			s = d * signed[b[192+g]]
			if s == 0 {
				continue
			}
			for j, v := range x[16*g : 16*g+16] {
				codes[16*g+j] = byte(clamped(v/s, -32, 31) + 32)
			}
		}
		putSixBits(b, &codes)
	}
}

// fitSigned finds a scale for 16 values and codes from 0 to 63, value = scale·(code−32). An error counts by the square of
// its value.
func fitSigned(x *[16]float32, codes *[16]byte) float32 {
	most := extreme(x[:])
	if abs(most) < tiny {
		return 0
	}
	found, sumXL, sumLL := roundSigned(x, -32/most)
	*codes = found
	var scale float32
	if sumLL != 0 {
		scale = sumXL / sumLL
	}
	best := scale * sumXL
	for i := -9; i <= 9; i++ {
		if i == 0 {
			continue
		}
		found, sumXL, sumLL := roundSigned(x, -(32+float32(0.1*float32(i)))/most)
		if sumLL > 0 && float32(sumXL*sumXL) > float32(best*sumLL) {
			*codes, scale = found, sumXL/sumLL
			best = scale * sumXL
		}
	}
	return scale
}

// roundSigned returns codes, and with w = x², l = code−32: Σ w·x·l and Σ w·l².
func roundSigned(x *[16]float32, inverse float32) (codes [16]byte, sumXL, sumLL float32) {
	for i, v := range x {
		l := clamped(inverse*v, -32, 31)
		codes[i] = byte(l + 32)
		w, f := v*v, float32(l)
		sumXL += float32(float32(float32(w)*v) * f)
		sumLL += float32(float32(float32(w)*f) * f)
	}
	return codes, sumXL, sumLL
}

// putSixBits stores the codes of a block of Q6_K: the low four bits of i and i+64 of each 128 in a byte, the high two of
// i, i+32, i+64 and i+96.
func putSixBits(b *[210]byte, codes *[256]byte) {
	for h := range 2 {
		low, high, q := b[64*h:64*h+64], b[128+32*h:160+32*h], codes[128*h:128*h+128]
		for i := range low {
			low[i] = q[i]&15 | q[i+64]<<4
		}
		for i := range high {
			high[i] = q[i]>>4 | q[i+32]>>4<<2 | q[i+64]>>4<<4 | q[i+96]>>4<<6
		}
	}
}
