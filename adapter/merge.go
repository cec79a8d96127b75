package adapter

import (
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Merge folds the adapter into the model's weights in memory: a pass without adapter then computes what a pass with this
// one did, at the cost of the base. The merged weights are float32.
func (a *Adapter) Merge() error {
	if a.restores != nil {
		return fmt.Errorf("adapter: %q is merged already", a.Name)
	}
	layers, err := a.folded()
	if err != nil {
		return fmt.Errorf("adapter: merge: %w", err)
	}
	sources := map[*model.Weight]tensor.Source{}
	for w, m := range layers {
		sources[w] = m
	}
	for _, c := range a.copies {
		sources[c.Weight] = dense(op.Data(c.param))
	}
	a.model.Weights(func(w *model.Weight) { // a tied weight does not follow
		if t := w.Tied(); t != nil && sources[t] != nil && sources[w] == nil {
			sources[w] = t.Source("")
		}
	})
	a.restores = []func(){}
	for w, s := range sources {
		a.restores = append(a.restores, w.Replace(s))
	}
	for _, l := range a.layers {
		l.Attach(a.Name, nil, 0)
		l.ParamsChanged()
	}
	return nil
}

// errMerged is what methods that need the base's own weights return.
var errMerged = errors.New("adapter: merged; unmerge it first")

// Unmerge puts the model's own weights back, to the last bit. It does nothing where the adapter is not merged.
// Adapters merged later must be unmerged before.
func (a *Adapter) Unmerge() {
	if a.restores == nil {
		return
	}
	for _, restore := range a.restores {
		restore()
	}
	a.restores = nil
	for _, l := range a.layers {
		l.Attach(a.Name, l.adapter, dropoutOf(a.Method))
		l.ParamsChanged()
	}
}

// dense computes a source's values.
func dense(s tensor.Source) tensor.Matrix {
	rows, cols := s.Dims()
	w := tensor.New(rows, cols)
	byRows(rows, cols, func(from, to int) {
		s.Block(w.Data[from*cols:], cols, from, 0, to-from, cols)
	})
	return w
}
