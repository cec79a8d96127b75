package model

import (
	"math"

	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/internal/vec"
)

// choose takes a token by its logits: the first of the largest if the temperature is 0, else a sample that depends on the seed
// and the token's number. It changes logits.
func (s GenerationConfig) choose(logits []float32, number uint64) int32 {
	if s.Temperature < coldest {
		return int32(numeric.Argmax(logits))
	}
	var ids []int // nil: all tokens
	if s.TopK > 0 && s.TopK < len(logits) {
		ids = numeric.TopN(logits, s.TopK)
		kept := make([]float32, len(ids))
		for i, id := range ids {
			kept[i] = logits[id]
		}
		logits = kept
	}
	d := newDistribution(logits, s.Temperature)
	total := d.total
	if s.TopP > 0 && s.TopP < 1 {
		_, total = d.at(s.TopP * total)
	}
	i, _ := d.at(newRand(s.Seed, number).Float64() * total)
	if ids != nil {
		return int32(ids[i])
	}
	return int32(i)
}

// coldest is the temperature below which only the most likely token has a probability, and a division could overflow.
const coldest = 1e-30

// distribution samples tokens as if they were sorted, the most likely first, and equals by their number. They are not sorted:
// a histogram says how much weight is above each bucket, so that only the tokens of one bucket need a closer look.
type distribution struct {
	weights []float32 // exp(logit/temperature), scaled so that the largest is 1
	above   [buckets + 1]float64
	total   float64
}

// buckets is the number of buckets for weights from 0 to 1; the exponent and the first bits of the mantissa choose one.
const buckets = 0x3f800000>>bucketBits + 1

const bucketBits = 20

func bucketOf(w float32) int { return int(math.Float32bits(w) >> bucketBits) }

func newDistribution(logits []float32, temperature float64) *distribution {
	d := &distribution{weights: logits}
	vec.Scale(logits, float32(1/temperature), logits)
	vec.ExpSum(logits, logits, vec.Max(logits))
	for _, w := range logits {
		d.above[bucketOf(w)] += float64(w)
	}
	for b := buckets; b >= 0; b-- { // from the weight in each bucket to that of the buckets above it
		d.above[b], d.total = d.total, d.total+d.above[b]
	}
	return d
}

// at is the token at which the sum of the weights, in order, reaches want, and that sum.
func (d *distribution) at(want float64) (token int, sum float64) {
	b := 0
	for b < buckets && d.above[b] >= want && d.above[b] > 0 {
		b++
	}
	var c []candidate
	for i, w := range d.weights {
		if bucketOf(w) == b {
			c = append(c, candidate{i, w})
		}
	}
	n := reach(c, want-d.above[b])
	sum = d.above[b]
	for _, x := range c[:n] {
		sum += float64(x.weight)
	}
	return c[n-1].token, sum
}

// candidate is a token with its weight.
type candidate struct {
	token  int
	weight float32
}

func (a candidate) before(b candidate) bool {
	return a.weight > b.weight || a.weight == b.weight && a.token < b.token
}

// reach moves the first candidates of the order to the front until their weights add up to want, and returns their number, at
// least one and at most all; the last of them stands where sorting would put it. It is quickselect by weight.
func reach(c []candidate, want float64) int {
	lo, hi, sum := 0, len(c), 0.0 // sum is the weight of c[:lo]
	for hi-lo > 1 {
		at := split(c, lo, hi)
		before := sum
		for _, x := range c[lo:at] {
			before += float64(x.weight)
		}
		switch with := before + float64(c[at].weight); {
		case before >= want && at > lo:
			hi = at
		case with >= want:
			return at + 1
		default:
			lo, sum = at+1, with
		}
	}
	return min(lo+1, len(c))
}

// split takes the median of three candidates of c[lo:hi], moves what comes before it to its left and the rest to its right,
// and returns its index.
func split(c []candidate, lo, hi int) int {
	first, middle, last := c[lo], c[lo+(hi-lo)/2], c[hi-1]
	pivot := hi - 1
	switch {
	case first.before(middle) != first.before(last):
		pivot = lo
	case middle.before(first) != middle.before(last):
		pivot = lo + (hi-lo)/2
	}
	p := c[pivot]
	c[pivot], c[hi-1] = c[hi-1], c[pivot]
	at := lo
	for i := lo; i < hi-1; i++ {
		if c[i].before(p) {
			c[i], c[at] = c[at], c[i]
			at++
		}
	}
	c[at], c[hi-1] = c[hi-1], c[at]
	return at
}
