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
	Register("asylora", Registration{PEFTType: "LORA", Flag: "use_asylora", New: func() Method {
		return &AsyLoRA{Common: Common{TargetModules: AllLinear}, R: defaultRank, Alpha: defaultAlpha, Bias: "none", FreezeA: new(true),
			RankPattern: Pattern[int]{}, AlphaPattern: Pattern[float64]{}}
	}})
}

// AsyLoRA is asymmetric LoRA (Zhu et al. 2024, arXiv 2402.16842, section 4): LoRA with a random A that stays frozen,
// A·Aᵀ = I. Only B is trained. The file is LoRA's. With FreezeA false A is trained too: that is the AsyLoRA of Table 1 of
// the MoRA paper, whose released trainer takes only the start from AsyLoRA. (PEFT's init_lora_weights "orthogonal" is
// another start: its B is not zero.)
type AsyLoRA struct {
	Common
	// R is the rank.
	R int `json:"r"`
	// Alpha over R scales the update.
	Alpha float64 `json:"lora_alpha"`
	// FreezeA keeps A as it starts. The default is true.
	FreezeA *bool `json:"freeze_a"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// RankPattern and AlphaPattern are LoRA's.
	RankPattern  Pattern[int]     `json:"rank_pattern"`
	AlphaPattern Pattern[float64] `json:"alpha_pattern"`
	// Init says how B starts: InitDefault or InitRandom.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
	// RSLoRA scales by α/√r instead of α/r.
	RSLoRA bool `json:"use_rslora"`
}

var (
	_ Method        = (*AsyLoRA)(nil)
	_ Validator     = (*AsyLoRA)(nil)
	_ InputDropper  = (*AsyLoRA)(nil)
	_ PatternLister = (*AsyLoRA)(nil)
	_ TensorStorer  = (*asylora)(nil)
)

// Validate implements Validator.
func (c *AsyLoRA) Validate() error {
	if err := c.Init.only("AsyLoRA", InitDefault, InitRandom); err != nil {
		return err
	}
	return c.lowRank().validateScaled()
}

func (c *AsyLoRA) lowRank() lowRank {
	return lowRank{c.R, c.Alpha, c.Dropout, c.RankPattern, c.AlphaPattern, c.Init, c.Bias, c.RSLoRA}
}

// InputDropout implements InputDropper.
func (c *AsyLoRA) InputDropout() float32 { return float32(c.Dropout) }

// LayerPatterns implements PatternLister.
func (c *AsyLoRA) LayerPatterns() map[string][]string { return c.lowRank().patterns() }

// Adapt implements Method.
func (c *AsyLoRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	low, err := newLora(c.lowRank(), l, rng)
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
	if !valueOf(c.FreezeA) {
		return low, nil
	}
	low.a.SetRequiresGrad(false)
	return &asylora{low}, nil
}

// asylora is AsyLoRA on one layer, with a frozen A.
type asylora struct{ *lora }

// Params implements model.Adapter.
func (l *asylora) Params() []model.Param { return l.lora.Params()[1:] }

// StoredTensors implements TensorStorer: the file has both matrices.
func (l *asylora) StoredTensors() []StoredTensor { return asStored(l.lora.Params()) }
