package optim

import (
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/vec"
)

func init() {
	Register("adamw_8bit", func(s Settings, _ *Args) Rule { return AdamW8bit{AdamW{s.AdamBeta1, s.AdamBeta2, s.AdamEpsilon}} })
}

// AdamW8bit is AdamW with moments of 8 bits (Dettmers et al. 2022, arXiv 2110.02861), as Trainer calls that of bitsandbytes: each 256
// values of a moment share a scale, and are decoded for the step and coded again after it. The moments of parameters of less than 4,096
// values, and of embeddings, are float32.
type AdamW8bit struct{ AdamW }

// min8bit is the size from which on moments have 8 bits.
const min8bit = 4096

// State is both moments: codes, and the scale of each block of them; or values.
func (AdamW8bit) State(rows, cols int, embedding bool) []StateSpec {
	if rows*cols < min8bit || embedding {
		return []StateSpec{float32s("state1", rows, cols), float32s("state2", rows, cols)}
	}
	blocks := (rows*cols + block - 1) / block
	codes := func(name string) StateSpec {
		return StateSpec{Name: name, DType: checkpoint.DTypeU8, Shape: []int{rows, cols}}
	}
	return []StateSpec{codes("state1"), codes("state2"), float32s("absmax1", blocks), float32s("absmax2", blocks)}
}

// Update moves the parameter.
func (o AdamW8bit) Update(u *Update) {
	if u.State[0].Uint8 == nil {
		o.AdamW.Update(u)
		return
	}
	bias1, bias2 := o.bias(u.Step)
	w, g := u.W.Data, u.G.Data
	first, second := signed(), unsigned()
	codes1, codes2, scales1, scales2 := u.State[0].Uint8, u.State[1].Uint8, u.State[2].Float32, u.State[3].Float32
	chunks(len(w), func(from, to int) {
		var buf [2][block]float32
		for a := from; a < to; a += block {
			b, s := min(to, a+block), a/block
			m, v := buf[0][:b-a], buf[1][:b-a]
			first.decode(m, codes1[a:b], scales1[s])
			second.decode(v, codes2[a:b], scales2[s])
			vec.AdamW(w[a:b], g[a:b], m, v, u.LR, o.Beta1, o.Beta2, o.Eps, u.WeightDecay, bias1, bias2)
			scales1[s], scales2[s] = first.encode(codes1[a:b], m), second.encode(codes2[a:b], v)
		}
	})
}
