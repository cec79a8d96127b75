package finetune

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// checkGradients refuses a first step that left a layer without a gradient: every parameter must have one, and every
// layer a matrix in which it is not zero (LoRA's A has a zero gradient while B is zero).
func checkGradients(params []model.Param) error {
	alive := map[string]bool{}
	for _, p := range params {
		layer := layerOf(p.Name)
		if !p.HasGrad() {
			return fmt.Errorf("step 1: %s has no gradient: nothing that made the loss depends on it", p.Name)
		}
		for _, v := range op.Grad(p.Param).Data {
			if v != 0 {
				alive[layer] = true
				break
			}
		}
	}
	for _, p := range params {
		if !alive[layerOf(p.Name)] {
			return fmt.Errorf("step 1: the gradient of %s is zero everywhere: the layer would never learn", p.Name)
		}
	}
	return nil
}

// layerOf is the path of the layer that a parameter belongs to.
func layerOf(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}
