package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/spagotune/spagotune/model"
)

func init() {
	Register("loraplus", Registration{PEFTType: "LORA", Flag: "loraplus_lr_ratio", New: func() Method {
		return &LoRAPlus{Common: Common{TargetModules: AllLinear}, R: defaultRank, Alpha: defaultAlpha, Bias: "none",
			RankPattern: Pattern[int]{}, AlphaPattern: Pattern[float64]{},
			Ratio: 4}
	}})
}

// LoRAPlus is LoRA+ (Hayou et al. 2024, arXiv 2402.12354, Eq. 3): LoRA whose B learns at Ratio times the rate of A. With
// Adam, both then move W' by as much in a layer of any width. When it is run or merged, it is LoRA.
type LoRAPlus struct {
	Common
	// R is the rank.
	R int `json:"r"`
	// Alpha over R scales the update.
	Alpha float64 `json:"lora_alpha"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// RankPattern and AlphaPattern are LoRA's.
	RankPattern  Pattern[int]     `json:"rank_pattern"`
	AlphaPattern Pattern[float64] `json:"alpha_pattern"`
	// Init says how the adapter starts.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
	// RSLoRA scales by α/√r instead of α/r.
	RSLoRA bool `json:"use_rslora"`
	// LoRABias is LoRA's.
	LoRABias bool `json:"lora_bias"`
	// ConvertedFrom says that a file holds PiSSA or OLoRA as a LoRA of twice the rank. Only files set it.
	ConvertedFrom Init `json:"converted_from"`
	// Ratio is λ = η_B/η_A. The MoRA paper searches 2 and 4.
	Ratio float64 `json:"loraplus_lr_ratio"`
}

var (
	_ Method           = (*LoRAPlus)(nil)
	_ Validator        = (*LoRAPlus)(nil)
	_ InputDropper     = (*LoRAPlus)(nil)
	_ LinearFilter     = (*LoRAPlus)(nil)
	_ MethodNamer      = (*LoRAPlus)(nil)
	_ PatternLister    = (*LoRAPlus)(nil)
	_ ConfigTranslator = (*LoRAPlus)(nil)
)

// Validate implements Validator.
func (c *LoRAPlus) Validate() error {
	if !(c.Ratio > 0) || math.IsInf(c.Ratio, 0) {
		return fmt.Errorf("loraplus_lr_ratio is %g; want a number above 0, such as 4", c.Ratio)
	}
	return c.asLoRA().Validate()
}

// MethodName implements MethodNamer.
func (c *LoRAPlus) MethodName() string { return "LoRA+" }

// TakesLinear implements LinearFilter.
func (c *LoRAPlus) TakesLinear(l *model.Linear) bool { return c.asLoRA().TakesLinear(l) }

// asLoRA is the LoRA that it is when it is run.
func (c *LoRAPlus) asLoRA() *LoRA {
	return &LoRA{Common: c.Common, R: c.R, Alpha: c.Alpha, Dropout: c.Dropout, RankPattern: c.RankPattern, AlphaPattern: c.AlphaPattern,
		Init: c.Init, Bias: c.Bias, FanInFanOut: c.FanInFanOut, RSLoRA: c.RSLoRA, LoRABias: c.LoRABias, ConvertedFrom: c.ConvertedFrom}
}

// InputDropout implements InputDropper.
func (c *LoRAPlus) InputDropout() float32 { return float32(c.Dropout) }

// LayerPatterns implements PatternLister.
func (c *LoRAPlus) LayerPatterns() map[string][]string { return c.asLoRA().LayerPatterns() }

// ToFile implements ConfigTranslator.
func (c *LoRAPlus) ToFile(all map[string]any) { c.asLoRA().ToFile(all) }

// FromFile implements ConfigTranslator.
func (c *LoRAPlus) FromFile() error {
	l := c.asLoRA()
	if err := l.FromFile(); err != nil {
		return err
	}
	c.R, c.Alpha, c.RankPattern, c.AlphaPattern, c.Init, c.ConvertedFrom = l.R, l.Alpha, l.RankPattern, l.AlphaPattern, l.Init, l.ConvertedFrom
	return nil
}

// Adapt implements Method.
func (c *LoRAPlus) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	a, err := c.asLoRA().Adapt(l, rng)
	if err != nil {
		return nil, err
	}
	switch a := a.(type) {
	case *lora:
		a.ratio = c.Ratio
	case *residual:
		a.ratio = c.Ratio
	}
	return a, nil
}
