package adapter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

var (
	_ LowRankFactorer = (*lora)(nil)
	_ LowRankFactorer = (*residual)(nil)
	_ LowRankFactorer = (*vera)(nil)
	_ LowRankFactorer = (*loraxs)(nil)
	_ LowRankFactorer = (*adalora)(nil)
	_ LowRankFactorer = (*mora)(nil)
)

// LowRankOptions say how closely an update is to be followed. With neither setting, updates that are products of smaller
// matrices are followed exactly, and others by defaultFactorRank singular values.
type LowRankOptions struct {
	// Rank is the rank of every layer, 0 for none.
	Rank int
	// Error is the largest error of a layer, ‖ΔW − B·A‖/‖ΔW‖ by the Frobenius norm, 0 for none. The least rank is chosen.
	Error float64
}

// defaultFactorRank is the rank for a layer without factors where no rank and no error is asked for.
const defaultFactorRank = 64

func (o LowRankOptions) validate() error {
	switch {
	case o.Rank < 0 || o.Rank > maxRank:
		return fmt.Errorf("rank %d; want 1 to %d", o.Rank, maxRank)
	case !(o.Error >= 0 && o.Error < 1):
		return fmt.Errorf("error %g; want a number above 0 and below 1, or 0 for none", o.Error)
	}
	return nil
}

// orDefault are the options for an update without factors.
func (o LowRankOptions) orDefault() LowRankOptions {
	if o.Rank == 0 && o.Error == 0 {
		o.Rank = defaultFactorRank
	}
	return o
}

// LowRank is a layer's update as LoRA's matrices.
type LowRank struct {
	Path string
	// B [out, r] and A [r, in] have the product ΔW, without a scale.
	B, A tensor.Matrix
	// Exact says that they follow from the method's own matrices. Bound is the largest rank that the method's ΔW can have.
	Exact bool
	Bound int
	// Error is ‖ΔW − B·A‖/‖ΔW‖ by the Frobenius norm, 0 for exact matrices and for an update of zeros.
	Error float64
}

// LowRank turns the update of every layer into LoRA's matrices, layer by layer: exactly where the method's ΔW is a product of
// smaller matrices, else, or where the options ask for less, by the truncated singular value decomposition. The adapter must
// not be merged, and train no weight whole.
func (a *Adapter) LowRank(ctx context.Context, o LowRankOptions) ([]LowRank, error) {
	if err := a.onlyLayers(); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	if a.restores != nil {
		return nil, ErrMerged
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return eachLowRank(ctx, a.layers, Layer.Path, func(l Layer) (LowRank, error) { return a.lowRankOf(l, o) })
}

// eachLowRank calls f for each layer, in parallel, until ctx is done. The first error, in the order of the layers, has the layer's path.
func eachLowRank[L any](ctx context.Context, layers []L, path func(L) string, f func(L) (LowRank, error)) ([]LowRank, error) {
	all, errs := make([]LowRank, len(layers)), make([]error, len(layers))
	tensor.Parallel(len(all), func(i int) {
		if errs[i] = ctx.Err(); errs[i] == nil {
			all[i], errs[i] = f(layers[i])
		}
	})
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("adapter: %s: %w", path(layers[i]), err)
		}
	}
	return all, nil
}

// onlyLayers refuses an adapter that changes more than the weights of modules.
func (a *Adapter) onlyLayers() error {
	switch {
	case len(a.copies) > 0:
		key := "modules_to_save"
		if name := a.copies[0].Weight.Name; strings.HasSuffix(name, ".bias") && len(a.Method.Settings().ModulesToSave) == 0 {
			key = "bias"
		}
		return ofKind(ErrUnsupported, fmt.Errorf("%s trains %s whole, which is no LoRA; merge the adapter instead", key, a.copies[0].Weight.Name))
	case len(a.tables)+len(a.tokens)+len(a.base) > 0:
		return ofKind(ErrUnsupported, errors.New("it changes embeddings or biases, which a plain LoRA of layers does not; merge the adapter instead"))
	case slices.ContainsFunc(a.layers, func(l Layer) bool { return l.Weight.OfExpert() }):
		return ofKind(ErrUnsupported, errors.New("it changes experts (target_parameters), which are no layers of a plain LoRA; merge the adapter instead"))
	}
	return nil
}

// changesBias says whether an adapter changes a layer's bias, which no LoRA does.
func changesBias(l Layer) bool {
	if add, ok := l.Adapter.(model.BiasAdder); ok {
		out, _ := l.Dims()
		if add.AddBias(make([]float32, out)) {
			return true
		}
	}
	_, ok := l.Adapter.(model.BiasMerger)
	return ok && l.Bias != nil
}

// lowRankOf does one layer.
func (a *Adapter) lowRankOf(l Layer, o LowRankOptions) (LowRank, error) {
	out, in := l.Dims()
	if changesBias(l) {
		return LowRank{}, ofKind(ErrUnsupported, errors.New("the adapter changes the layer's bias, which a plain LoRA does not; merge it instead"))
	}
	f := LowRank{Path: l.Path(), Bound: min(out, in)}
	own, ok := l.Adapter.(LowRankFactorer)
	if ok {
		f.B, f.A = own.LowRankFactors(out, in)
		f.Exact, f.Bound = true, min(f.Bound, f.A.Rows)
		if f.A.Rows > f.Bound { // a matrix and the identity are fewer numbers
			delta := tensor.New(out, in)
			l.Adapter.MergeInto(delta, 0, 0)
			f.B, f.A = besideIdentity(delta)
		}
		if o.Error == 0 && (o.Rank == 0 || f.Bound <= o.Rank) {
			return f, nil
		}
	}
	delta := difference(l.Weight.Source(""), l.Source(a.Name))
	if ok {
		delta = product(f.B, f.A)
	}
	err := f.truncate(delta, o.orDefault())
	return f, err
}

// besideIdentity writes a matrix as a product with the identity.
func besideIdentity(delta tensor.Matrix) (b, a tensor.Matrix) {
	n := min(delta.Rows, delta.Cols)
	one := tensor.New(n, n)
	for i := range n {
		one.Row(i)[i] = 1
	}
	if delta.Rows <= delta.Cols {
		return one, delta
	}
	return delta, one
}

func product(b, a tensor.Matrix) *mat.Dense {
	p := tensor.New(b.Rows, a.Cols)
	tensor.NN(p, b, a, 0)
	return spectrum.Float64(p)
}

// exactSide is the largest smaller side of an update that is decomposed at once where the rank is not known.
const exactSide = 256

// truncate sets B and A to the leading singular values of delta: the rank of the options, or as many as the error wants.
func (f *LowRank) truncate(delta *mat.Dense, o LowRankOptions) error {
	rows, cols := delta.Dims()
	w, total := tensor.View(spectrum.Float32(delta), rows, cols), mat.Norm(delta, 2)
	side := min(rows, cols)
	if total == 0 {
		f.B, f.A, f.Exact = tensor.New(rows, 1), tensor.New(1, cols), true
		return nil
	}
	for n := startRank(o, f.Bound); ; n = min(2*n, side) {
		svd, err := decompose(w, n)
		if err != nil {
			return err
		}
		r := rankFor(svd.Values, total, o, n)
		f.Error = missed(svd.Values[:r], total)
		if o.Rank == 0 && f.Error > o.Error && n < side {
			continue
		}
		f.Exact = false
		f.B, f.A = factorsOf(svd, r)
		return nil
	}
}

// startRank is how many singular values are looked for first.
func startRank(o LowRankOptions, bound int) int {
	if o.Rank > 0 {
		return min(o.Rank, bound)
	}
	return min(32, bound)
}

func decompose(w tensor.Matrix, n int) (spectrum.SVD, error) {
	if side := min(w.Rows, w.Cols); side <= exactSide || 2*n >= side {
		return spectrum.Exact(w)
	}
	return spectrum.Truncated(w, n)
}

// rankFor is the least rank within the options, at most n.
func rankFor(values []float64, total float64, o LowRankOptions, n int) int {
	n = min(n, len(values))
	if o.Rank > 0 {
		n = min(n, o.Rank)
	}
	if o.Error > 0 {
		for r := 1; r < n; r++ {
			if missed(values[:r], total) <= o.Error {
				return r
			}
		}
	}
	return n
}

// missed is the error of the leading singular values.
func missed(values []float64, total float64) float64 {
	rest := total * total
	for _, v := range values {
		rest -= v * v
	}
	return math.Sqrt(max(0, rest)) / total
}

// factorsOf shares the singular values evenly between both matrices.
func factorsOf(svd spectrum.SVD, r int) (b, a tensor.Matrix) {
	_, rows := svd.Left.Dims()
	_, cols := svd.Right.Dims()
	b, a = tensor.New(rows, r), tensor.New(r, cols)
	for k := range r {
		copy(a.Row(k), scaledRow(svd.Right, k, svd.Values[k]))
		for i, v := range scaledRow(svd.Left, k, svd.Values[k]) {
			b.Row(i)[k] = v
		}
	}
	return b, a
}

// copied is a copy of m, scaled.
func copied(m tensor.Matrix, scale float32) tensor.Matrix {
	c := tensor.New(m.Rows, m.Cols)
	for i := range m.Rows {
		vec.Scale(c.Row(i), scale, m.Row(i))
	}
	return c
}

// LowRankFactors implements LowRankFactorer: ΔW = (s·B)·A.
func (l *lora) LowRankFactors(_, _ int) (b, a tensor.Matrix) {
	return copied(op.Data(l.b), l.scale), copied(op.Data(l.a), 1)
}

// LowRankFactors implements LowRankFactorer: ΔW = [s·(B−B₀), s·B₀]·[A; A−A₀].
func (d *residual) LowRankFactors(out, in int) (b, a tensor.Matrix) {
	one, two, done := d.halves()
	defer done()
	r := d.a0.Rows
	b, a = tensor.New(out, 2*r), tensor.New(2*r, in)
	for i := range out {
		vec.Scale(b.Row(i)[:r], d.scale, one.b.Row(i))
		vec.Scale(b.Row(i)[r:], d.scale, two.b.Row(i))
	}
	for k := range r {
		copy(a.Row(k), one.a.Row(k))
		copy(a.Row(r+k), two.a.Row(k))
	}
	return b, a
}

// LowRankFactors implements LowRankFactorer: ΔW = (diag(b)·B·diag(d))·A.
func (v *vera) LowRankFactors(out, _ int) (b, a tensor.Matrix) {
	b = tensor.New(out, v.a.Rows)
	lambdaB, lambdaD := op.Data(v.lambdaB).Data, op.Data(v.lambdaD).Data
	for i := range out {
		vec.Mul(b.Row(i), v.projection.Row(i), lambdaD)
		vec.Scale(b.Row(i), lambdaB[i], b.Row(i))
	}
	return b, copied(v.a, 1)
}

// LowRankFactors implements LowRankFactorer: ΔW = (s·B·R)·A.
func (l *loraxs) LowRankFactors(out, _ int) (b, a tensor.Matrix) {
	t := l.left(0, out)
	defer t.give()
	return copied(t.Matrix, 1), copied(op.Data(l.a), 1)
}

// LowRankFactors implements LowRankFactorer: ΔW = (s·B·diag(E))·A; a layer that the budget has emptied has one direction of
// zeros.
func (l *adalora) LowRankFactors(out, in int) (b, a tensor.Matrix) {
	if op.Data(l.a).Rows == 0 {
		return tensor.New(out, 1), tensor.New(1, in)
	}
	s := l.weighted(op.Data(l.b))
	defer s.give()
	return copied(s.Matrix, 1), copied(op.Data(l.a), 1)
}

// LowRankFactors implements LowRankFactorer: with C_g and D_g for compress and decompress of group g, ΔW = Σ D_g·M·C_g is
// [D_1·M, D_2·M, …]·[C_1; C_2; …]. Its rank is at most r̂ times the number of groups, which is 1 but for Rotation and Decouple.
func (a *mora) LowRankFactors(out, in int) (b, c tensor.Matrix) {
	n := a.groups * a.q
	identity := tensor.New(in, in)
	for j := range in {
		identity.Row(j)[j] = 1
	}
	z := a.compress(identity) // row j·groups+g has column j of C_g
	defer z.give()
	c = tensor.New(n, in)
	for j := range in {
		for k, v := range z.Data[j*n : (j+1)*n] {
			c.Row(k)[j] = v
		}
	}
	columns := tensor.New(n*a.groups, a.q) // token g·r̂+k has column k of M in group g
	m := op.Data(a.m)
	for g := range a.groups {
		for k := range a.q {
			row := columns.Row((g*a.q+k)*a.groups + g)
			for i := range row {
				row[i] = m.Row(i)[k]
			}
		}
	}
	t := tensor.New(n, out)
	a.decompress(t, columns)
	b = tensor.New(out, n)
	addTransposed(b, t)
	return b, c
}
