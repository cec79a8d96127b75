package adapter

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/internal/gemm"
)

// Rank counts the singular values of one layer's ΔW.
type Rank struct {
	// Path is the layer's.
	Path string
	// Out and In are its dimensions.
	Out, In int
	// Rank is how many singular values of ΔW = W' − W are above the bound, of min(Out, In). Largest is the largest one.
	Rank    int
	Largest float64
}

// Ranks counts, layer by layer, the singular values of the update that are above bound. The adapter must not be merged.
func (a *Attached) Ranks(bound float64) ([]Rank, error) {
	if a.restores != nil {
		return nil, errMerged
	}
	ranks := make([]Rank, len(a.layers))
	errs := make([]error, len(a.layers))
	gemm.Parallel(len(a.layers), func(i int) { ranks[i], errs[i] = a.rank(a.layers[i], bound) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return ranks, nil
}

func (a *Attached) rank(l layer, bound float64) (Rank, error) {
	r := Rank{Path: l.Path()}
	r.Out, r.In = l.Dims()
	delta, base := dense(l.Source(a.Name)), dense(l.Weight.Source(""))
	values := make([]float64, len(delta.Data))
	for i, v := range delta.Data {
		values[i] = float64(v) - float64(base.Data[i])
	}
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(r.Out, r.In, values), mat.SVDNone) {
		return r, fmt.Errorf("adapter: the singular values of %s do not converge", r.Path)
	}
	for i, s := range svd.Values(nil) {
		if i == 0 {
			r.Largest = s
		}
		if s > bound {
			r.Rank++
		}
	}
	return r, nil
}
