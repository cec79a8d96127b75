package model

import (
	"context"
	"fmt"
	"slices"
)

// Share returns another model on the same weights, which stay in memory once: with the head and the numerics that the
// options ask for, as Load would give it to them, and with adapters of its own. What is attached to, merged into or trained
// on one of the two models afterwards does not change the other one, so each may be in use at any time. m must stay open
// for as long as the other model is used. Weights that m does not have, such as those of the folder's own head, are read
// from its file, or drawn for a new head.
func (m *Model) Share(ctx context.Context, o Options) (*Model, error) {
	s, err := m.share(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("model: share %s: %w", m.Dir, err)
	}
	return s, nil
}

func (m *Model) share(ctx context.Context, o Options) (*Model, error) {
	s, err := build(m.config, o)
	if err != nil {
		return nil, err
	}
	s.Dir, s.file, s.had, s.borrowed = m.Dir, m.file, m.had, true
	b := binding{m: s, taken: map[string]bool{}, seed: o.Seed, base: map[string]*Weight{}}
	m.Weights(func(w *Weight) { b.base[w.Name] = w })
	if err := b.weights(ctx); err != nil {
		return nil, err
	}
	if err := b.mismatch.or(); err != nil {
		return nil, err
	}
	return s, s.readFolder()
}

// shared is the weight of the other model that has a weight's values, or nil.
func (b *binding) shared(w *Weight) *Weight {
	for _, name := range b.names(w.Name) {
		if o := b.base[name]; o != nil && o.tied == nil && !o.drawn && slices.Equal(o.Shape, w.Shape) {
			return o
		}
	}
	return nil
}

// share gives the weight the values of another model's, in the same memory.
func (w *Weight) share(o *Weight) {
	w.tied, w.untied, w.stored, w.source, w.packed = nil, o.untied, o.stored, o.source, o.packed
}

// Untrained lists the matrices of the head that are random in a pass with the named adapter: the model's folder does not
// have them, they have not been trained, and the adapter has no trained copies of them.
func (m *Model) Untrained(adapter string) []string {
	var names []string
	m.Weights(func(w *Weight) {
		if w.drawn && len(w.Shape) == 2 && w.Override(adapter) == nil {
			names = append(names, w.Name)
		}
	})
	return names
}
