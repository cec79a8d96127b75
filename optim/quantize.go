package optim

import (
	"math"
	"slices"
	"sync"
)

// quantizer maps values from −1 to 1, or from 0 to 1, to codes of 8 bits, by dynamic tree quantization (Dettmers 2016, arXiv
// 1511.04561, section 3; Dettmers et al. 2022, arXiv 2110.02861, section 2.2): each of seven powers of ten is divided evenly, the
// largest one the most finely.
type quantizer struct {
	values [256]float32 // of the codes, in ascending order
	// first is the code of the least value whose upper 16 bits are an index. From there on, steps lead to the nearest code.
	first [1 << 16]uint8
	// next is the bound between a code and the one after it.
	next [256]float32
}

// signed and unsigned are the quantizers of first and of second moments.
var (
	signed   = sync.OnceValue(func() *quantizer { return newQuantizer(true) })
	unsigned = sync.OnceValue(func() *quantizer { return newQuantizer(false) })
)

const decades = 7 // powers of ten, the least of them 1e-6

// newQuantizer makes the tables. A power of ten has twice as many values as the one below it, at the middles of equal parts of its
// upper nine tenths; with a sign, half as many on either side. 0 and 1 are values besides.
func newQuantizer(sign bool) *quantizer {
	values := []float64{0, 1}
	for d := range decades {
		n, scale := 2<<d, math.Pow(10, float64(d-decades+1))
		if sign {
			n /= 2
		}
		for i := range n {
			v := scale * (0.1 + 0.9*(float64(i)+0.5)/float64(n))
			values = append(values, v)
			if sign {
				values = append(values, -v)
			}
		}
	}
	slices.Sort(values)
	q := &quantizer{}
	for c, v := range values {
		q.values[c] = float32(v)
	}
	for c := range q.next[:255] {
		q.next[c] = (q.values[c] + q.values[c+1]) / 2
	}
	q.next[255] = float32(math.Inf(1))
	for h := range q.first {
		least := math.Float32frombits(uint32(h) << 16)
		if least < 0 { // of negative values the one with the most bits is the least
			least = math.Float32frombits(uint32(h)<<16 | 0xffff)
		}
		q.first[h] = uint8(min(255, q.search(least)))
	}
	return q
}

// search returns the nearest code to x by bisection.
func (q *quantizer) search(x float32) int {
	c, _ := slices.BinarySearch(q.next[:255], x)
	return c
}

// code returns the code whose value is nearest to x; between two that are as near, the smaller one.
func (q *quantizer) code(x float32) uint8 {
	c := q.first[math.Float32bits(x)>>16]
	for x > q.next[c] {
		c++
	}
	return c
}

// block is the number of values that share a scale.
const block = 256

// decode writes the values of codes to dst.
func (q *quantizer) decode(dst []float32, codes []uint8, scale float32) {
	dst = dst[:len(codes)]
	for i, c := range codes {
		dst[i] = q.values[c] * scale
	}
}

// encode writes the codes of x, and returns their scale, the largest magnitude.
func (q *quantizer) encode(codes []uint8, x []float32) (scale float32) {
	for _, v := range x {
		scale = max(scale, float32(math.Abs(float64(v))))
	}
	codes = codes[:len(x)]
	if scale == 0 {
		clear(codes)
		return 0
	}
	for i, v := range x {
		codes[i] = q.code(v / scale)
	}
	return scale
}
