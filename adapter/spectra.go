package adapter

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// Spectrum counts the singular values of the update ΔW = W' − W of one layer, or of one table of embeddings.
type Spectrum struct {
	// Path is the layer's path.
	Path string
	// Out and In are the layer's dimensions; of a table they are its rows and the size of one.
	Out, In int
	// Rank is how many of the min(Out, In) singular values are above the bound, and Largest is the largest one.
	Rank    int
	Largest float64
}

// Spectra counts, layer by layer and then table by table, the singular values of the update that are above bound. The adapter must not be merged.
// Methods without SpectrumFactors take a decomposition of the whole update, which is seconds for a large layer.
func (a *Adapter) Spectra(ctx context.Context, bound float64) ([]Spectrum, error) {
	if a.restores != nil {
		return nil, ErrMerged
	}
	return spectra(ctx, len(a.layers)+len(a.tables), func(i int) (Spectrum, error) {
		if i >= len(a.layers) {
			return a.tables[i-len(a.layers)].spectrum(a.Name, bound)
		}
		l := a.layers[i]
		s := newSpectrum(l.Linear)
		if f, ok := l.Adapter.(SpectrumFactorer); ok {
			return s.count(f.SpectrumFactors(s.Out, s.In), bound)
		}
		return s.count([]*mat.Dense{difference(l.Weight.Source(""), l.Source(a.Name))}, bound)
	})
}

// DiffSpectra counts, layer by layer, the singular values of after − before that are above bound, for two states of one
// model. The head's layers are left out.
func DiffSpectra(ctx context.Context, before, after *model.Model, bound float64) ([]Spectrum, error) {
	old, now := body(before), body(after)
	if len(old) != len(now) {
		return nil, fmt.Errorf("adapter: difference of two models: %d layers and %d", len(old), len(now))
	}
	return spectra(ctx, len(old), func(i int) (Spectrum, error) {
		s := newSpectrum(old[i])
		if out, in := now[i].Dims(); out != s.Out || in != s.In || now[i].Path() != s.Path {
			return s, fmt.Errorf("adapter: difference of two models: %s is %d×%d in one, the other has %s, %d×%d", s.Path, s.Out, s.In, now[i].Path(), out, in)
		}
		return s.count([]*mat.Dense{difference(old[i].Weight.Source(""), now[i].Weight.Source(""))}, bound)
	})
}

// spectra computes n spectra side by side.
func spectra(ctx context.Context, n int, of func(i int) (Spectrum, error)) ([]Spectrum, error) {
	all, errs := make([]Spectrum, n), make([]error, n)
	tensor.Parallel(n, func(i int) {
		if errs[i] = ctx.Err(); errs[i] == nil {
			all[i], errs[i] = of(i)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func newSpectrum(l *model.Linear) Spectrum {
	out, in := l.Dims()
	return Spectrum{Path: l.Path(), Out: out, In: in}
}

// count counts the singular values of matrices.
func (s Spectrum) count(factors []*mat.Dense, bound float64) (Spectrum, error) {
	for _, f := range factors {
		values, err := spectrum.SingularValues(f)
		if err != nil {
			return s, fmt.Errorf("adapter: %s: %w", s.Path, err)
		}
		for _, v := range values {
			s.Largest = max(s.Largest, v)
			if v > bound {
				s.Rank++
			}
		}
	}
	return s, nil
}

// body lists a model's layers without the head's.
func body(m *model.Model) []*model.Linear {
	var all []*model.Linear
	m.Linears(func(l *model.Linear) {
		if !m.Head().Has(l.Path()) {
			all = append(all, l)
		}
	})
	return all
}

// difference is now − old.
func difference(old, now tensor.Source) *mat.Dense {
	d := spectrum.Float64(dense(now))
	d.Sub(d, spectrum.Float64(dense(old)))
	return d
}
