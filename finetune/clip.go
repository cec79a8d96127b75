package finetune

import (
	"math"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// gradNorm returns the Euclidean norm of all gradients together, from those of shards.squares.
func gradNorm(squares []float64) float64 {
	sum := 0.0
	for _, v := range squares {
		if v != -1 {
			sum += v
		}
	}
	return math.Sqrt(sum)
}

// clip scales the gradients down to a norm of at most limit, as torch.nn.utils.clip_grad_norm_ does.
func clip(params []model.Param, norm, limit float64) {
	scale := limit / (norm + 1e-6)
	if limit <= 0 || scale >= 1 {
		return
	}
	for _, p := range params {
		if p.HasGrad() {
			g := op.Grad(p.Param).Data
			vec.Scale(g, float32(scale), g)
		}
	}
}
