package gguf

import (
	"encoding/binary"
	"math"

	"github.com/spagotune/spagotune/checkpoint"
)

// Blocks of 32 values. Where the scale has a sign, it is that of the value of the largest magnitude, which thus gets the
// code that is farthest from 0.

func packQ40(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[18:], src[32:] {
		b, x := (*[18]byte)(dst), (*[32]float32)(src)
		d := extreme(x[:]) / -8
		putHalf(b[:], d)
		codes := linear(x, inverse(d), 0, 8.5, 15)
		putNibbles(b[2:], &codes)
	}
}

func packQ41(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[20:], src[32:] {
		b, x := (*[20]byte)(dst), (*[32]float32)(src)
		low, high := extent(x)
		d := (high - low) / 15
		putHalf(b[:], d)
		putHalf(b[2:], low)
		codes := linear(x, inverse(d), low, 0.5, 15)
		putNibbles(b[4:], &codes)
	}
}

func packQ50(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[22:], src[32:] {
		b, x := (*[22]byte)(dst), (*[32]float32)(src)
		d := extreme(x[:]) / -16
		putHalf(b[:], d)
		codes := linear(x, inverse(d), 0, 16.5, 31)
		putFifth(b[2:], &codes)
		putNibbles(b[6:], &codes)
	}
}

func packQ51(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[24:], src[32:] {
		b, x := (*[24]byte)(dst), (*[32]float32)(src)
		low, high := extent(x)
		d := (high - low) / 31
		putHalf(b[:], d)
		putHalf(b[2:], low)
		codes := linear(x, inverse(d), low, 0.5, 31)
		putFifth(b[4:], &codes)
		putNibbles(b[8:], &codes)
	}
}

func packQ80(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[34:], src[32:] {
		b, x := (*[34]byte)(dst), (*[32]float32)(src)
		d := abs(extreme(x[:])) / 127
		putHalf(b[:], d)
		id := inverse(d)
		for i, v := range x {
			b[2+i] = byte(int8(max(-127, min(127, math.Round(float64(v*id))))))
		}
	}
}

// packMXFP4 takes the scale with which the largest value is in reach, and for each value the nearest code, of two the one nearer to 0.
func packMXFP4(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[17:], src[32:] {
		b, x := (*[17]byte)(dst), (*[32]float32)(src)
		b[0] = 0
		if most := abs(extreme(x[:])); most > 0 {
			b[0] = byte(max(0, math.Floor(float64(float32(math.Log2(float64(most)))))-2+127))
		}
		d := checkpoint.HalfE8M0(b[0])
		var codes [32]byte
		for i, v := range x {
			least := abs(v)
			for code := byte(1); code < 8; code++ {
				if e := abs(float32(e2m1[code]*d) - abs(v)); e < least {
					codes[i], least = code, e
				}
			}
			if v < 0 && codes[i] > 0 {
				codes[i] |= 8
			}
		}
		putNibbles(b[1:], &codes)
	}
}

// extent are the smallest and the largest value; of zeros of either sign, the first.
func extent(x *[32]float32) (low, high float32) {
	low, high = x[0], x[0]
	for _, v := range x {
		if v < low {
			low = v
		}
		if v > high {
			high = v
		}
	}
	return low, high
}

// linear are the codes (x−low)·id + offset, cut to a whole number from 0 to most.
func linear(x *[32]float32, id, low, offset float32, most int) (codes [32]byte) {
	for i, v := range x {
		codes[i] = truncated(float32((v-low)*id)+offset, most)
	}
	return codes
}

// putNibbles stores the low four bits of 32 codes, i and i+16 in a byte.
func putNibbles(b []byte, codes *[32]byte) {
	for i := range 16 {
		b[i] = codes[i]&15 | codes[i+16]<<4
	}
}

// putFifth stores the fifth bits of 32 codes.
func putFifth(b []byte, codes *[32]byte) {
	var bits uint32
	for i, q := range codes {
		bits |= uint32(q>>4) << i
	}
	binary.LittleEndian.PutUint32(b, bits)
}
