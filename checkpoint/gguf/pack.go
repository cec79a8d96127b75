package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/tensor"
)

// Quantize stores values as whole blocks of type t: len(src) values, a multiple of BlockValues, in the bytes of dst that
// they need. It rounds as llama.cpp does without an importance matrix, to the same bytes. A value that is no finite
// number, or is too large for the type, is an error; a type that is not written is ErrUnsupported.
func (t Type) Quantize(dst []byte, src []float32) error {
	if err := quantize(t, dst, src); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}

func quantize(t Type, dst []byte, src []float32) error {
	if err := t.writable(); err != nil {
		return err
	}
	if err := t.fits(len(src), len(dst)); err != nil {
		return err
	}
	largest := float32(math.MaxFloat32)
	if t.Quantized() {
		largest = 1e9 // no scale of 16 bits reaches farther
	}
	for i, x := range src {
		if math.Float32bits(x)&^signBit > math.Float32bits(largest) { // NaN too
			return fmt.Errorf("value %d is %v, which %s cannot hold", i, x, t)
		}
	}
	pack(t, dst, src)
	if i := overflow(t, dst); i >= 0 {
		n := t.BlockValues()
		return fmt.Errorf("values %d to %d are too large for %s", i*n, (i+1)*n-1, t)
	}
	return nil
}

// fits is an error unless the values are whole blocks that fill the bytes.
func (t Type) fits(values, bytes int) error {
	if l := t.layout(); values%l.values != 0 || bytes != values/l.values*l.bytes {
		return fmt.Errorf("%d values in %d bytes; %s has blocks of %d values in %d bytes", values, bytes, t, l.values, l.bytes)
	}
	return nil
}

// Dequantize reads whole blocks of type t: the len(dst) values that src has in exactly the bytes that they need. A type
// that is not read is ErrUnsupported.
func (t Type) Dequantize(dst []float32, src []byte) error {
	if err := t.readable(); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	if err := t.fits(len(dst), len(src)); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	unpack(t, dst, src)
	return nil
}

// pack stores whole blocks.
func pack(t Type, dst []byte, src []float32) {
	switch t {
	case F32:
		for i, x := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
	case F16:
		for i, x := range src {
			putHalf(dst[2*i:], x)
		}
	case BF16:
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], tensor.ToBF16(x))
		}
	case Q4_0:
		packQ40(dst, src)
	case Q4_1:
		packQ41(dst, src)
	case Q5_0:
		packQ50(dst, src)
	case Q5_1:
		packQ51(dst, src)
	case Q8_0:
		packQ80(dst, src)
	case MXFP4:
		packMXFP4(dst, src)
	case Q4K:
		packQ4K(dst, src)
	case Q5K:
		packQ5K(dst, src)
	case Q6K:
		packQ6K(dst, src)
	}
}

// overflow is the first block with a scale (or, in F16 and BF16, a value) that became infinite, -1 if there is none.
func overflow(t Type, b []byte) int {
	infinite := uint16(0x7c00)
	if t == BF16 {
		infinite = 0x7f80
	}
	size := t.BlockBytes()
	for _, at := range halves[t] {
		for i := 0; i < len(b); i += size {
			if binary.LittleEndian.Uint16(b[i+at:])&infinite == infinite {
				return i / size
			}
		}
	}
	return -1
}

// halves are where a block of a type that is written has numbers of 16 bits.
var halves = map[Type][]int{F16: {0}, BF16: {0}, Q4_0: {0}, Q4_1: {0, 2}, Q5_0: {0}, Q5_1: {0, 2}, Q8_0: {0}, Q4K: {0, 2}, Q5K: {0, 2}, Q6K: {208}}

func putHalf(b []byte, x float32) { binary.LittleEndian.PutUint16(b, tensor.ToF16(x)) }

// inverse is 1/d, and 0 for a block of zeros, or of values so small that it would be infinite.
func inverse(d float32) float32 {
	if id := 1 / d; !math.IsInf(float64(id), 0) {
		return id
	}
	return 0
}

// signBit is that of a float32.
const signBit = 1 << 31

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ signBit) }

// truncated is the whole part of x, from 0 up to most.
func truncated(x float32, most int) byte {
	if !(x > 0) {
		return 0
	}
	return byte(min(x, float32(most)))
}

// extreme is the value of the largest magnitude, the first of equals.
func extreme(x []float32) float32 {
	var best, most float32
	for _, v := range x {
		if m := abs(v); m > most {
			best, most = v, m
		}
	}
	return best
}
