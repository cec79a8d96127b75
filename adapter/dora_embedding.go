package adapter

import (
	"math"
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

var (
	_ TableMethod          = (*DoRA)(nil)
	_ model.TableAdapter   = (*doraTable)(nil)
	_ model.ParamsObserver = (*doraTable)(nil)
	_ TensorStorer         = (*doraTable)(nil)
	_ Ranker               = (*doraTable)(nil)
)

// AdaptTable implements TableMethod: W' = V·diag(m/‖V‖) with V = W + s·(B·A)ᵀ, a norm for each column of the table, and
// a trained magnitude m [dim], as in PEFT.
func (c *DoRA) AdaptTable(w *model.Weight, rng *rand.Rand) (model.TableAdapter, error) {
	low, err := newLoraTable(c.lowRank(), w, rng)
	if err != nil {
		return nil, err
	}
	dim := w.Shape[1]
	d := &doraTable{low: low, base: w, m: op.NewParam(make([]float32, dim), 1, dim), norm: make([]float32, dim)}
	d.ParamsChanged()
	copy(op.Data(d.m).Data, d.norm)
	return d, nil
}

// doraTable is DoRA on a table of embeddings.
type doraTable struct {
	nn.Module
	low  *loraTable
	base *model.Weight
	m    *nn.Param // [1, dim]
	norm []float32 // ‖V‖ by column, as ParamsChanged last computed it
}

// Params implements model.TableAdapter.
func (d *doraTable) Params() []model.Param {
	return append(d.low.Params(), model.Param{Name: magnitude, Param: d.m})
}

// StoredTensors implements TensorStorer.
func (d *doraTable) StoredTensors() []StoredTensor {
	return storedMagnitude(d.low.Params(), d.m)
}

// Rank implements Ranker.
func (d *doraTable) Rank() (symbol string, n int) { return d.low.Rank() }

// direction is V for n rows from row i on.
func (d *doraTable) direction(i, n int) *scratch {
	v := take(n, len(d.norm))
	d.base.Source("").Block(v.Data, v.Stride, i, 0, n, v.Cols)
	d.low.MergeInto(v.Matrix, i, 0)
	return v
}

// ParamsChanged implements model.ParamsObserver: it computes the norms of V's columns. It must not run during a pass.
func (d *doraTable) ParamsChanged() {
	sums := make([]float64, len(d.norm))
	const step = 64
	for i := 0; i < d.base.Shape[0]; i += step {
		v := d.direction(i, min(step, d.base.Shape[0]-i))
		for r := range v.Rows {
			for j, x := range v.Row(r) {
				sums[j] += float64(x) * float64(x)
			}
		}
		v.give()
	}
	for j, s := range sums {
		d.norm[j] = float32(math.Sqrt(s))
	}
}

// factors are mⱼ/‖Vⱼ‖, [1, dim]; 0 for a column of zeros.
func (d *doraTable) factors() *scratch {
	f := take(1, len(d.norm))
	for j, n := range d.norm {
		f.Data[j] = 0
		if n != 0 {
			f.Data[j] = op.Data(d.m).Data[j] / n
		}
	}
	return f
}

// MergeInto implements model.TableAdapter.
func (d *doraTable) MergeInto(w tensor.Matrix, i, j int) {
	d.low.MergeInto(w, i, j)
	f := d.factors()
	defer f.give()
	for r := range w.Rows {
		vec.Mul(w.Row(r), w.Row(r), f.Data[j:j+w.Cols])
	}
}

// GradRows implements model.TableAdapter: dmⱼ += Σₜ gyₜⱼ·Vₜⱼ/‖Vⱼ‖. The gradients of A and B are LoRA's for a gy whose
// column j is scaled by mⱼ/‖Vⱼ‖.
func (d *doraTable) GradRows(rows []int32, gy tensor.Matrix) {
	if op.RequiresGrad(d.m) {
		grad := op.Grad(d.m).Data
		for t, i := range rows {
			if i < 0 {
				continue
			}
			v := d.direction(int(i), 1)
			for j, n := range d.norm {
				if n != 0 {
					grad[j] += gy.Row(t)[j] * v.Data[j] / n
				}
			}
			v.give()
		}
	}
	f := d.factors()
	defer f.give()
	g := byColumns(gy, f.Data)
	defer g.give()
	d.low.GradRows(rows, g.Matrix)
}
