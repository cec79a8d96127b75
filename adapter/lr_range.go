package adapter

import (
	"fmt"
	"math"
	"strings"
)

// LRRange is a range of learning rates that are worth trying, and why.
type LRRange struct {
	Low, High float64
	Reason    string
}

// rates is what one paper searched for a method; rank 0 is any rank.
type rates struct {
	rank      int
	low, high float64
}

// searched are the MoRA paper's rates of AdamW over its three kinds of data (instruction and mathematics the lower,
// continual pretraining the upper ones), by the method's name.
var searched = map[string][]rates{
	"full": {{0, 2e-5, 3e-5}},
	"lora": {{0, 1e-4, 4e-4}},
	"mora": {{8, 2e-4, 5e-4}, {256, 3e-5, 7e-5}},
}

// elsewhere are methods with rates of their own papers.
var elsewhere = map[string]struct {
	rates
	from string
}{
	"ia3":     {rates{0, 1e-3, 1e-2}, "around the 3e-3 of its paper"},
	"vera":    {rates{0, 1e-3, 2e-2}, "its paper's for GLUE; it trains vectors, which need more than matrices"},
	"adalora": {rates{0, 5e-4, 2e-3}, "its paper's for GLUE"},
	"pissa":   {rates{0, 2e-5, 2e-4}, "from its paper's 2e-5 on: it starts on the largest directions of W"},
}

// SuggestLR is the range of peak learning rates to search for a method ("full" among them) at rank r, from the set-ups
// of the MoRA paper where it has the method. MoRA's falls with r: between and beyond r 8 and r 256 it follows the line
// through both on logarithmic axes, no further than r 1 and r 1024.
func SuggestLR(method string, r int) (LRRange, error) {
	if e, ok := elsewhere[method]; ok {
		return LRRange{e.low, e.high, "not in the MoRA paper; " + e.from}, nil
	}
	if _, ok := methods[method]; !ok && method != "full" {
		return LRRange{}, ofKind(ErrUnknownMethod, fmt.Errorf("adapter: no method %q; there are full, %s", method, strings.Join(Methods(), ", ")))
	}
	list, ok := searched[method]
	if !ok {
		list = searched["lora"] // the paper searches the same for all of LoRA's kin
	}
	if len(list) == 1 {
		reason := "what the MoRA paper searches for LoRA and its kin, at any r"
		if method == "full" {
			reason = "what the MoRA paper trains all parameters with"
		}
		return LRRange{list[0].low, list[0].high, reason}, nil
	}
	one, two := list[0], list[1]
	at := math.Log(float64(min(max(r, 1), 1024))/float64(one.rank)) / math.Log(float64(two.rank)/float64(one.rank))
	between := func(a, b float64) float64 { return a * math.Pow(b/a, at) }
	return LRRange{between(one.low, two.low), between(one.high, two.high), fmt.Sprintf(
		"the MoRA paper searches %g to %g at r %d and %g to %g at r %d", one.low, one.high, one.rank, two.low, two.high, two.rank)}, nil
}

// far is how many times outside of a range a rate is far away.
const far = 3

// Warn says what is wrong with a learning rate that is far outside of the range, or "".
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
