package vec

import (
	"math"

	"github.com/spagotune/spagotune/internal/cpu"
)

// AdamW moves the parameters p by their gradients g with the moments m and v, in the order and the roundings of
// torch.optim.AdamW on one tensor (Loshchilov and Hutter 2019, Algorithm 2):
//
//	p ← p·(1−lr·weightDecay)
//	m ← m + (1−beta1)·(g−m)
//	v ← beta2·v + (1−beta2)·g·g
//	p ← p − (lr/bias1)·m / (√v/√bias2 + eps)
//
// bias1 = 1−beta1ᵗ and bias2 = 1−beta2ᵗ at step t. Factors are taken in float64 and then rounded.
func AdamW(p, g, m, v []float32, lr, beta1, beta2, eps, weightDecay, bias1, bias2 float64) {
	same("AdamW", len(p), len(g))
	same("AdamW", len(p), len(m))
	same("AdamW", len(p), len(v))
	c := adamW{
		decay: float32(1 - lr*weightDecay),
		lerp:  float32(1 - beta1),
		keep:  float32(beta2),
		add:   float32(1 - beta2),
		root:  float32(math.Sqrt(bias2)),
		eps:   float32(eps),
		step:  float32(-lr / bias1),
	}
	for i := 0; i < len(p); i += block {
		j := min(i+block, len(p))
		c.update(cpu.Used, p[i:j], g[i:j], m[i:j], v[i:j])
	}
}

// adamW has the factors of one step. The assembly reads them in this order.
type adamW struct{ decay, lerp, keep, add, root, eps, step float32 }

func (c *adamW) update(l cpu.Level, p, g, m, v []float32) {
	if c.lerp >= 0.5 { // torch.lerp then starts from the other end
		adamWGo(p, g, m, v, c)
		return
	}
	adamWStep(l, p, g, m, v, c)
}

func adamWGo(p, g, m, v []float32, c *adamW) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	for i, gi := range g {
		mi := m[i] + float32(c.lerp*(gi-m[i]))
		if c.lerp >= 0.5 {
			mi = gi + float32((c.lerp-1)*(gi-m[i]))
		}
		vi := float32(c.keep*v[i]) + float32(c.add*gi*gi)
		denom := float32(math.Sqrt(float64(vi)))/c.root + c.eps
		p[i] = float32(p[i]*c.decay) + float32(c.step*mi)/denom
		m[i], v[i] = mi, vi
	}
}
