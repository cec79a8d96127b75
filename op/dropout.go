package op

import "github.com/spagotune/spagotune/tensor"

// Dropout writes x to dst: it zeroes each value with probability rate and scales the others by 1/(1−rate). The mask depends
// only on the pass's seed, the name of the layer and the value's index, so the backward pass can make it again.
func (p *Pass) Dropout(dst, x tensor.Matrix, rate float32, name string) {
	key := p.Seed
	for i := range len(name) {
		key = (key ^ uint64(name[i])) * 0x100000001b3
	}
	keep := 1 / (1 - rate)
	limit := uint64(float64(rate) * (1 << 32))
	byRows(x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			d, r := dst.Row(i), x.Row(i)
			base := uint64(i) * uint64(x.Cols)
			for j := range r {
				if mix(key+base+uint64(j))>>32 < limit {
					d[j] = 0
				} else {
					d[j] = keep * r[j]
				}
			}
		}
	})
}

// mix is the finaliser of splitmix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
