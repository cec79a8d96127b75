package finetune

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/model"
)

// checkGradients checks the first step: every parameter must have a gradient, and every layer a parameter whose
// gradient is not zero; squares are those of shards.squares. (The gradient of LoRA's A is zero as long as B is zero.)
func checkGradients(params []model.Param, squares []float64) error {
	learns := map[string]bool{}
	for i, p := range params {
		switch squares[i] {
		case -1:
			return fmt.Errorf("step 1: %s has no gradient: the loss does not depend on it", p.Name)
		case 0:
		default:
			learns[layerOf(p.Name)] = true
		}
	}
	for _, p := range params {
		if !p.Idle && !learns[layerOf(p.Name)] {
			return fmt.Errorf("step 1: the gradient of %s is zero everywhere: the layer would never learn", p.Name)
		}
	}
	return nil
}

// layerOf returns the path of the layer that a parameter belongs to.
func layerOf(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}
