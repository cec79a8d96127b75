package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/spagotune/spagotune/model"
)

func init() {
	register("loraplus", kind{peftType: "LORA", flag: "loraplus_lr_ratio", make: func() Method {
		return &LoRAPlus{LoRA: *newLoRA(), Ratio: 4}
	}})
}

// LoRAPlus is LoRA+ (Hayou et al. 2024, arXiv 2402.12354, Eq. 3): LoRA whose B learns at Ratio times the rate of A. With
// Adam this lets both move W' by as much in a layer of any width. Merged or run, it is LoRA.
type LoRAPlus struct {
	LoRA
	// Ratio is λ = η_B/η_A. The MoRA paper searches 2 and 4.
	Ratio float64 `json:"loraplus_lr_ratio"`
}

var _ Method = (*LoRAPlus)(nil)

func (c *LoRAPlus) check() error {
	if !(c.Ratio > 0) || math.IsInf(c.Ratio, 0) {
		return fmt.Errorf("loraplus_lr_ratio is %g; want a number above 0, such as 4", c.Ratio)
	}
	return c.LoRA.check()
}

// Adapt implements Method.
func (c *LoRAPlus) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	a, err := c.LoRA.Adapt(l, rng)
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
