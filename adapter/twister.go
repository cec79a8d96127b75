package adapter

import "math"

// twister is the generator MT19937 (Matsumoto and Nishimura 1998), from which PyTorch draws on the CPU.
type twister struct {
	state [624]uint32
	next  int
}

func newTwister(seed uint32) *twister {
	t := &twister{next: 624}
	t.state[0] = seed
	for i := 1; i < len(t.state); i++ {
		t.state[i] = 1812433253*(t.state[i-1]^t.state[i-1]>>30) + uint32(i)
	}
	return t
}

// word is the next 32 bits.
func (t *twister) word() uint32 {
	if t.next == len(t.state) {
		t.renew()
	}
	y := t.state[t.next]
	t.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (t *twister) renew() {
	n := len(t.state)
	for i := range n {
		y := t.state[i]&0x80000000 | t.state[(i+1)%n]&0x7fffffff
		t.state[i] = t.state[(i+397)%n] ^ y>>1 ^ (y&1)*0x9908b0df
	}
	t.next = 0
}

// kaiming draws n numbers, uniform within ±√(6/in), with PyTorch's arithmetic: float32 but for a fused multiplication
// and addition (on processors that have it; else the last bit may be another).
func (t *twister) kaiming(n, in int) []float32 {
	bound := math.Sqrt(3) * (math.Sqrt2 / math.Sqrt(float64(in)))
	low, high := float32(-bound), float32(bound)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.FMA(float64(t.word()&(1<<24-1))/(1<<24), float64(high-low), float64(low)))
	}
	return v
}
