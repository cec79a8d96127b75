package adapter

import (
	"fmt"
	"math/rand/v2"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	register("asylora", kind{peftType: "LORA", flag: "use_asylora", make: func() Method { return &AsyLoRA{LoRA: *newLoRA()} }})
}

// AsyLoRA (Zhu et al. 2024, arXiv 2402.16842, section 4): LoRA with a random A that stays as it is, A·Aᵀ = I; only B is
// trained. The file is LoRA's.
type AsyLoRA struct{ LoRA }

var _ Method = (*AsyLoRA)(nil)

func (c *AsyLoRA) check() error {
	if err := c.Init.only("AsyLoRA", InitDefault, InitRandom); err != nil {
		return err
	}
	return c.LoRA.check()
}

// Adapt implements Method.
func (c *AsyLoRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	low, err := newLowRank(&c.LowRank, c.RSLoRA, l, rng)
	if err != nil {
		return nil, err
	}
	r, in := op.Data(low.a).Rows, op.Data(low.a).Cols
	if r > in {
		return nil, fmt.Errorf("r %d is larger than in_features %d of %s, so A cannot have orthogonal rows; lower r, or rank_pattern for that layer", r, in, l.Path())
	}
	if rng != nil {
		q, _ := spectrum.ThinQR(spectrum.Float64(tensor.View(normal(rng, in*r, 1), in, r)))
		copy(op.Data(low.a).Data, spectrum.Float32(q.T()))
	}
	low.a.SetRequiresGrad(false)
	return &asylora{low}, nil
}

// asylora is AsyLoRA on one layer.
type asylora struct{ *lora }

// Params implements model.Adapter.
func (l *asylora) Params() []model.Param { return l.lora.Params()[1:] }

// stored are both matrices.
func (l *asylora) stored() []stored { return asStored(l.lora.Params()) }
