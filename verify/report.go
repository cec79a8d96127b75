package verify

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/spagotune/spagotune/internal/numeric"
)

// Comparison says how much a tensor differs from the reference.
type Comparison struct {
	// Name is logits (for question answering logits.start and logits.end), loss or grad.PARAMETER.
	Name string `json:"name"`
	// Difference is the largest absolute difference of a value. For gradients it is divided by the largest magnitude in
	// the reference.
	Difference JSONFloat `json:"difference"`
	// Relative says that Difference was divided.
	Relative bool `json:"relative"`
	// Values is the number of compared values.
	Values int `json:"values"`
}

// JSONFloat is a float64 that may be NaN or infinite, which is a string in JSON.
type JSONFloat float64

// MarshalJSON writes a number, or "NaN", "+Inf", "-Inf".
func (n JSONFloat) MarshalJSON() ([]byte, error) {
	if !numeric.IsFinite(float64(n)) {
		return fmt.Appendf(nil, "%q", fmt.Sprint(float64(n))), nil
	}
	return json.Marshal(float64(n))
}

// Within reports whether the difference is at most the tolerance. NaN never is.
func (c Comparison) Within(tolerance float64) bool { return float64(c.Difference) <= tolerance }

// Report lists the comparisons: logits, loss and gradients, as far as the file has them, in that order.
type Report []Comparison

// Worst returns the comparison with the largest difference of those whose name has the prefix, and their number n.
func (r Report) Worst(prefix string) (worst Comparison, n int) {
	for _, c := range r {
		if !strings.HasPrefix(c.Name, prefix) {
			continue
		}
		if n++; n == 1 || c.Difference > worst.Difference || math.IsNaN(float64(c.Difference)) {
			worst = c
		}
	}
	return worst, n
}

// Beyond returns the number n of comparisons that are not within the tolerance, and the worst of all.
func (r Report) Beyond(tolerance float64) (worst Comparison, n int) {
	for _, c := range r {
		if !c.Within(tolerance) {
			n++
		}
	}
	worst, _ = r.Worst("")
	return worst, n
}
