package adapter

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/model"
)

// Difference turns what a model has learned beyond its base into LoRA's matrices, layer by layer, by the truncated singular value
// decomposition of the difference of the weights, as LowRank does where a method has no factors. Layers with the same weights
// are left out. Nothing else may differ: neither embeddings nor norms nor biases.
func Difference(ctx context.Context, base, tuned *model.Model, o LowRankOptions) ([]LowRank, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	layers, err := changedLayers(base, tuned)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	path := func(l changedLayer) string { return l.path }
	return eachLowRank(ctx, layers, path, func(l changedLayer) (LowRank, error) {
		f := LowRank{Path: l.path, Bound: min(l.base.Shape[0], l.base.Shape[1])}
		err := f.truncate(difference(l.base.Source(""), l.tuned.Source("")), o.orDefault())
		return f, err
	})
}

// changedLayer is the weight of a linear layer in two models.
type changedLayer struct {
	path        string
	base, tuned *model.Weight
}

// changedLayers are the linear layers whose weights differ between two models that have nothing else in which they do.
func changedLayers(base, tuned *model.Model) ([]changedLayer, error) {
	paths := map[string]string{}
	base.Linears(func(l *model.Linear) {
		if l.Weight.Tied() == nil {
			paths[l.Weight.Name] = l.Path()
		}
	})
	other := map[string]*model.Weight{}
	tuned.Weights(func(w *model.Weight) { other[w.Name] = w })
	var layers []changedLayer
	var err error
	base.Weights(func(w *model.Weight) {
		t := other[w.Name]
		if err != nil {
			return
		}
		path, linear := paths[w.Name]
		switch {
		case t == nil:
			err = fmt.Errorf("the tuned model has no %s: it has another architecture than its base", w.Name)
		case !slices.Equal(w.Shape, t.Shape):
			err = fmt.Errorf("%s is %v in the tuned model and %v in its base: they must have one shape", w.Name, t.Shape, w.Shape)
		case slices.Equal(w.Values(""), t.Values("")):
		case linear && len(w.Shape) == 2:
			layers = append(layers, changedLayer{path, w, t})
		default:
			err = ofKind(ErrUnsupported, fmt.Errorf("%s differs from the base's, which a plain LoRA of linear layers does not change", w.Name))
		}
	})
	if err == nil && layers == nil {
		err = errors.New("the tuned model has the weights of its base")
	}
	return layers, err
}
