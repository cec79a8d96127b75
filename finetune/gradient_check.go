package finetune

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
)

// checkGradients checks the first step: every parameter must have a gradient, and every layer a parameter whose
// gradient is not zero; squares are those of shards.squares. (The gradient of LoRA's A is zero as long as B is zero.)
func checkGradients(h *model.Head, params []model.Param, squares []float64) error {
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
		if !p.Idle && !learns[layerOf(p.Name)] && p.Name != shiftsAll(h) {
			return fmt.Errorf("step 1: the gradient of %s is zero everywhere: the layer would never learn", p.Name)
		}
	}
	return nil
}

// shiftsAll names the weight that adds the same to all scores of a softmax, so that its gradient is zero but for rounding: the bias of
// a head for multiple choice. It is "" for other heads.
func shiftsAll(h *model.Head) string {
	if h.Kind != head.MultipleChoice || h.Out.Bias == nil {
		return ""
	}
	return h.Out.Bias.Name
}

// layerOf returns the path of the layer that a parameter belongs to.
func layerOf(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}
