package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// ClassWeights is an option of tasks that give one class: how much each class counts in the loss, which is the weighted
// mean Σ w·loss / Σ w over everything that is scored, as that of PyTorch's CrossEntropyLoss. In JSON it is "balanced", for
// n / (classes · n of the class) as scikit-learn has it, or an object of weights by class, where a class that is not named
// has weight 1.
type ClassWeights struct {
	Balanced bool
	ByClass  map[string]float64
}

// ErrClassWeights is the error of class weights that do not fit the classes.
var ErrClassWeights = errors.New("option class_weights")

// UnmarshalJSON takes "balanced" or an object.
func (w *ClassWeights) UnmarshalJSON(b []byte) error {
	*w = ClassWeights{}
	if string(b) == `"balanced"` {
		w.Balanced = true
		return nil
	}
	if json.Unmarshal(b, &w.ByClass) != nil || w.ByClass == nil {
		return fmt.Errorf(`got %s, want "balanced" or the weights of classes, such as {"spam": 3}`, b)
	}
	for class, v := range w.ByClass {
		if !(v >= 0) || v-v != 0 {
			return fmt.Errorf("the weight of %s is %g, want 0 or more", class, v)
		}
	}
	return nil
}

// MarshalJSON is the form that UnmarshalJSON takes.
func (w ClassWeights) MarshalJSON() ([]byte, error) {
	if w.Balanced {
		return []byte(`"balanced"`), nil
	}
	return json.Marshal(w.ByClass)
}

// of are the weights of a head's classes, by their ids; nil without the option. examples are those that are balanced.
func (w *ClassWeights) of(h *classHead, examples iter.Seq2[Example, error]) ([]float32, error) {
	if w == nil {
		return nil, nil
	}
	if w.Balanced {
		return h.balance(examples)
	}
	weights := slices.Repeat([]float32{1}, len(h.Labels))
	for class, v := range w.ByClass {
		id := slices.Index(h.Labels, class)
		if id < 0 {
			return nil, fmt.Errorf("%w: no class is named %q%s", ErrClassWeights, class, suggest.Hint(class, h.Labels))
		}
		weights[id] = float32(v)
	}
	return weights, nil
}

// balance are weights that give each class of the examples the same share of the loss.
func (h *classHead) balance(examples iter.Seq2[Example, error]) ([]float32, error) {
	counts, n := make([]int, len(h.Labels)), 0
	for ex, err := range examples {
		if err != nil {
			return nil, err
		}
		for _, l := range ex.Input.Labels {
			id, err := h.id(l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ex.Source, err)
			}
			counts[id]++
			n++
		}
	}
	weights := make([]float32, len(counts))
	var missing []string
	for id, c := range counts {
		if c == 0 {
			missing = append(missing, h.Labels[id])
			continue
		}
		weights[id] = float32(n) / float32(len(counts)*c)
	}
	if missing != nil {
		return nil, fmt.Errorf("%w is balanced, but the data have none of %s; give the weights by class", ErrClassWeights, strings.Join(missing, ", "))
	}
	return weights, nil
}

// weigh gives a row the weights of its labels.
func (h *classHead) weigh(row *Features) {
	if h.weights == nil {
		return
	}
	row.Weights = make([]float32, len(row.Labels))
	for i, l := range row.Labels {
		if l >= 0 {
			row.Weights[i] = h.weights[l]
		}
	}
}
