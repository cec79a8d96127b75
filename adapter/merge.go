package adapter

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// Merge folds the adapter into the model's weights in memory: a pass without adapter then computes what a pass with this
// one did, at the cost of the base. The merged weights are float32. After an error, or when ctx ends first, nothing
// is merged.
func (a *Adapter) Merge(ctx context.Context) error {
	if a.restores != nil {
		return ofKind(ErrMerged, fmt.Errorf("adapter: %q is merged already", a.Name))
	}
	if a.detached {
		return fmt.Errorf("adapter: merge: %q is no longer on the model, it was detached", a.Name)
	}
	merged, err := a.merged(ctx)
	if err != nil {
		return fmt.Errorf("adapter: merge: %w", err)
	}
	sources := map[*model.Weight]tensor.Source{}
	a.copySources(sources)
	for w, m := range merged {
		sources[w] = m
	}
	follows := a.mergedTokens(sources)
	a.model.Weights(func(w *model.Weight) { // a tied matrix keeps its values; a bias under another name follows
		if t := w.Tied(); t != nil && len(w.Shape) == 2 && sources[t] != nil && sources[w] == nil && !follows[w] {
			sources[w] = t.Source("")
		}
	})
	a.restores = []func(){}
	for w, s := range sources {
		a.restores = append(a.restores, w.Replace(s))
	}
	a.takeOff()
	a.baseChanged()
	return nil
}

// Unmerge puts the model's own weights back, to the last bit. It does nothing where the adapter is not merged. Adapters
// that were merged after this one must be unmerged before it.
func (a *Adapter) Unmerge() {
	if a.restores == nil {
		return
	}
	for _, restore := range a.restores {
		restore()
	}
	a.restores = nil
	a.putOn()
	a.baseChanged()
}

// baseChanged tells all adapters on the layers that the layers' weights have changed.
func (a *Adapter) baseChanged() {
	for _, l := range a.layers {
		l.ParamsChanged()
	}
}

// merged are the layers' weights and biases, and the tables, with the adapter folded in.
func (a *Adapter) merged(ctx context.Context) (map[*model.Weight]tensor.Matrix, error) {
	sources := map[*model.Weight]tensor.Matrix{}
	for _, l := range a.layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w := dense(l.Source(a.Name))
		if notFinite(w.Data) >= 0 {
			return nil, fmt.Errorf("%s.weight would hold NaN or an infinite value", l.Path())
		}
		sources[l.Weight] = w
		if l.Bias == nil {
			if l.AddsBias(a.Name) {
				return nil, fmt.Errorf("%s has no bias that could take up the adapter's (lora_bias)", l.Path())
			}
			continue
		}
		b := tensor.New(1, l.Bias.Size())
		copy(b.Data, l.BiasOf(a.Name))
		if notFinite(b.Data) >= 0 {
			return nil, fmt.Errorf("%s.bias would hold NaN or an infinite value", l.Path())
		}
		sources[l.Bias] = b
	}
	for _, t := range a.tables {
		w := dense(t.Table(a.Name))
		if notFinite(w.Data) >= 0 {
			return nil, fmt.Errorf("%s would hold NaN or an infinite value", t.Weight.Name)
		}
		sources[t.Weight] = w
	}
	return sources, nil
}

// dense computes the values of a source.
func dense(s tensor.Source) tensor.Matrix {
	rows, cols := s.Dims()
	w := tensor.New(rows, cols)
	byRows(rows, cols, func(from, to int) {
		s.Block(w.Data[from*cols:], cols, from, 0, to-from, cols)
	})
	return w
}
