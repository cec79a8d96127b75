package optim

func init() {
	Register("lion_32bit", func(s Settings, _ *Args) Rule { return Lion{s.AdamBeta1, s.AdamBeta2} })
}

// Lion is the optimizer of Chen et al. (2023, arXiv 2302.06675, Algorithm 2): a parameter decays by lr·WeightDecay of itself and
// moves by lr against the sign of Beta1·m + (1−Beta1)·g, where m is a mean of gradients that Beta2 keeps.
type Lion struct{ Beta1, Beta2 float64 }

// State is the mean of gradients.
func (Lion) State(rows, cols int, _ bool) []StateSpec {
	return []StateSpec{float32s("exp_avg", rows, cols)}
}

// Update moves the parameter.
func (o Lion) Update(u *Update) {
	decay, lr := float32(1-u.LR*u.WeightDecay), float32(u.LR)
	b1, b2, a1, a2 := float32(o.Beta1), float32(o.Beta2), float32(1-o.Beta1), float32(1-o.Beta2)
	chunks(len(u.W.Data), func(a, b int) {
		w, m := u.W.Data[a:b], u.State[0].Float32[a:b]
		for i, g := range u.G.Data[a:b] {
			x := float32(w[i] * decay)
			switch s := float32(b1*m[i]) + float32(a1*g); {
			case s > 0:
				x -= lr
			case s < 0:
				x += lr
			}
			w[i], m[i] = x, float32(b2*m[i])+float32(a2*g)
		}
	})
}
