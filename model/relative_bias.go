package model

import (
	"math"

	"github.com/spagotune/spagotune/op"
)

// relativeBias is a table [buckets, heads] of biases by relative position.
func (w *Weight) relativeBias(p *op.Pass, bucket func(distance int) int) *op.RelativeBias {
	return &op.RelativeBias{Table: w.Values(p.Adapter), Param: w.Param(p.Adapter), Bucket: bucket}
}

// relativeBuckets are T5's buckets of relative positions (Raffel et al. 2020, section 2.1): the first half of them for
// distances one by one, the others for longer ones on a logarithmic scale up to most. In an encoder half of all buckets are
// for keys after the query.
func relativeBuckets(buckets, most int, bidirectional bool) func(distance int) int {
	if bidirectional {
		buckets /= 2
	}
	exact := buckets / 2
	return func(distance int) int {
		from, n := 0, max(-distance, 0)
		if bidirectional {
			if n = -distance; n < 0 {
				from, n = buckets, -n
			}
		}
		if n < exact {
			return from + n
		}
		scale := float32(math.Log(float64(float32(n)/float32(exact)))) / float32(math.Log(float64(most)/float64(exact)))
		return from + min(buckets-1, exact+int(scale*float32(buckets-exact)))
	}
}

// withBias is a layer and the table that it shares with others, for RunLayer.
type withBias struct {
	Layer any     `hf:""`
	Bias  *Weight `hf:""`
}
