package verify

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Comparison is how far a value is from the reference's.
type Comparison struct {
	// Name is logits (of question answering logits.start and logits.end), loss or grad.PARAMETER.
	Name string `json:"name"`
	// Difference is the largest one, for gradients over the largest magnitude of the reference.
	Difference JSONFloat `json:"difference"`
	// Relative says that it was divided so.
	Relative bool `json:"relative"`
	// Values is how many were compared.
	Values int `json:"values"`
}

// JSONFloat is a float64 that may be NaN or infinite; in JSON that is a text.
type JSONFloat float64

// MarshalJSON writes a number, or "NaN", "+Inf", "-Inf".
func (n JSONFloat) MarshalJSON() ([]byte, error) {
	if float64(n)-float64(n) != 0 {
		return fmt.Appendf(nil, "%q", fmt.Sprint(float64(n))), nil
	}
	return json.Marshal(float64(n))
}

// Within says whether the difference is no larger than the tolerance; NaN never is.
func (c Comparison) Within(tolerance float64) bool { return float64(c.Difference) <= tolerance }

// Report is what was compared: what the file holds of logits, loss and gradients, in that order.
type Report []Comparison

// Worst is the comparison with the largest difference among those whose name has the prefix.
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

// Beyond counts the comparisons that are not within the tolerance, and returns the worst of all.
func (r Report) Beyond(tolerance float64) (worst Comparison, n int) {
	for _, c := range r {
		if !c.Within(tolerance) {
			n++
		}
	}
	worst, _ = r.Worst("")
	return worst, n
}
