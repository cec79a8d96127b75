package adapter

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// spectral is implemented by an adapter whose ΔW has a smaller form.
type spectral interface {
	// cores are matrices that have, together, the singular values of ΔW other than 0.
	cores(out, in int) []*mat.Dense
}

// Spectrum counts the singular values of one layer's ΔW.
type Spectrum struct {
	// Path is the layer's.
	Path string
	// Out and In are its dimensions.
	Out, In int
	// Rank is how many singular values of ΔW = W' − W are above the bound, of min(Out, In). Largest is the largest one.
	Rank    int
	Largest float64
}

// Spectra counts, layer by layer, the singular values of the update that are above bound. The adapter must not be merged.
func (a *Adapter) Spectra(bound float64) ([]Spectrum, error) {
	if a.restores != nil {
		return nil, errMerged
	}
	ranks := make([]Spectrum, len(a.layers))
	errs := make([]error, len(a.layers))
	tensor.Parallel(len(a.layers), func(i int) { ranks[i], errs[i] = a.rank(a.layers[i], bound) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return ranks, nil
}

func (a *Adapter) rank(l layer, bound float64) (Spectrum, error) {
	r := Spectrum{Path: l.Path()}
	r.Out, r.In = l.Dims()
	var cores []*mat.Dense
	if s, ok := l.adapter.(spectral); ok {
		cores = s.cores(r.Out, r.In)
	} else {
		delta := spectrum.Float64(dense(l.Source(a.Name)))
		delta.Sub(delta, spectrum.Float64(dense(l.Weight.Source(""))))
		cores = []*mat.Dense{delta}
	}
	err := r.count(cores, bound)
	return r, err
}

// count counts the singular values of cores.
func (r *Spectrum) count(cores []*mat.Dense, bound float64) error {
	for _, c := range cores {
		values, err := spectrum.SingularValues(c)
		if err != nil {
			return fmt.Errorf("adapter: %s: %w", r.Path, err)
		}
		for _, s := range values {
			r.Largest = max(r.Largest, s)
			if s > bound {
				r.Rank++
			}
		}
	}
	return nil
}

// DiffSpectra counts, layer by layer, the singular values of after − before that are above bound: of two states of one
// model, the head's layers left out.
func DiffSpectra(before, after *model.Model, bound float64) ([]Spectrum, error) {
	old, now := body(before), body(after)
	if len(old) != len(now) {
		return nil, fmt.Errorf("adapter: difference of two models: %d layers and %d", len(old), len(now))
	}
	ranks := make([]Spectrum, len(old))
	errs := make([]error, len(old))
	tensor.Parallel(len(old), func(i int) { ranks[i], errs[i] = difference(old[i], now[i], bound) })
	return ranks, errors.Join(errs...)
}

// body are a model's layers but for the head's.
func body(m *model.Model) []*model.Linear {
	var all []*model.Linear
	m.Linears(func(l *model.Linear) {
		if !m.Head().Has(l.Path()) {
			all = append(all, l)
		}
	})
	return all
}

func difference(old, now *model.Linear, bound float64) (Spectrum, error) {
	r := Spectrum{Path: old.Path()}
	r.Out, r.In = old.Dims()
	if out, in := now.Dims(); out != r.Out || in != r.In || now.Path() != r.Path {
		return r, fmt.Errorf("adapter: difference of two models: %s is %d×%d in one, the other has %s, %d×%d", r.Path, r.Out, r.In, now.Path(), out, in)
	}
	delta := spectrum.Float64(dense(now.Weight.Source("")))
	delta.Sub(delta, spectrum.Float64(dense(old.Weight.Source(""))))
	err := r.count([]*mat.Dense{delta}, bound)
	return r, err
}
