package adapter

import (
	"fmt"
	"math"
	"strings"
)

// LRRange is a range of learning rates that are worth trying, and the reason.
type LRRange struct {
	Low, High float64
	Reason    string
}

// The rates of AdamW that the MoRA paper searches over its three kinds of data: the lower ones for instructions and
// mathematics, the upper ones for continual pretraining. It searches the same for LoRA and all of its kin, at any rank.
var (
	fullRates = LRRange{2e-5, 3e-5, "what the MoRA paper trains all parameters with"}
	loraRates = LRRange{1e-4, 4e-4, "what the MoRA paper searches for LoRA and its kin, at any r"}
)

// moraRates are the MoRA paper's rates for MoRA, which fall with the rank: from 2e-4 to 5e-4 at r 8, from 3e-5 to 7e-5 at
// r 256. Between and beyond these ranks the rates follow the line through both on logarithmic axes, no further than r 1
// and r 1024.
func moraRates(r int) LRRange {
	const r1, low1, high1, r2, low2, high2 = 8, 2e-4, 5e-4, 256, 3e-5, 7e-5
	at := math.Log(float64(min(max(r, 1), 1024))/r1) / math.Log(float64(r2)/r1)
	between := func(a, b float64) float64 { return a * math.Pow(b/a, at) }
	return LRRange{between(low1, low2), between(high1, high2), fmt.Sprintf(
		"the MoRA paper searches %g to %g at r %d and %g to %g at r %d", low1, high1, r1, low2, high2, r2)}
}

// SuggestLR returns the range of peak learning rates to search for a method at rank r: from the MoRA paper where it has
// the method, elsewhere from the method's own paper. The method "full" trains all parameters.
func SuggestLR(method string, r int) (LRRange, error) {
	if method == "full" {
		return fullRates, nil
	}
	known, ok := methods[method]
	if !ok {
		return LRRange{}, ofKind(ErrUnknownMethod, fmt.Errorf("adapter: no method %q; there are full, %s", method, strings.Join(Methods(), ", ")))
	}
	if known.LearningRate == nil {
		return loraRates, nil
	}
	return known.LearningRate(r), nil
}

// far is the factor outside of a range from which on a rate is far away.
const far = 3

// Warn returns a sentence on a learning rate that is far outside of the range, or "".
func (s LRRange) Warn(lr float64) string {
	if lr >= s.Low/far && lr <= s.High*far {
		return ""
	}
	side := "above"
	if lr < s.Low {
		side = "below"
	}
	return fmt.Sprintf("learning_rate %.2g is far %s %.2g to %.2g (%s)", lr, side, s.Low, s.High, s.Reason)
}
