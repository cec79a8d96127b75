package adapter

import (
	"errors"
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"
	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

var (
	_ TableMethod        = (*LoRA)(nil)
	_ TableMethod        = (*LoRAPlus)(nil)
	_ model.TableAdapter = (*loraTable)(nil)
	_ Ranker             = (*loraTable)(nil)
	_ SpectrumFactorer   = (*loraTable)(nil)
)

// AdaptTable implements TableMethod: W' = W + s·(B·A)ᵀ with A [r, rows], which starts at zero, and B [dim, r], as in PEFT.
// Dropout is for layers; looking up rows has none.
func (c *LoRA) AdaptTable(w *model.Weight, rng *rand.Rand) (model.TableAdapter, error) {
	switch {
	case c.Init.residual():
		return nil, errors.New("init_lora_weights " + string(c.Init) + " is for layers; leave the table out of target_modules")
	case c.LoRABias:
		return nil, errors.New("lora_bias is for layers; leave the table out of target_modules")
	}
	return newLoraTable(c.lowRank(), w, rng)
}

// AdaptTable implements TableMethod.
func (c *LoRAPlus) AdaptTable(w *model.Weight, rng *rand.Rand) (model.TableAdapter, error) {
	t, err := c.asLoRA().AdaptTable(w, rng)
	if err != nil {
		return nil, err
	}
	t.(*loraTable).ratio = c.Ratio
	return t, nil
}

// loraTable is LoRA on a table of embeddings.
type loraTable struct {
	nn.Module
	a, b  *nn.Param // [r, rows], [dim, r]
	scale float32
	ratio float64 // the learning rate of B over that of A; 0 counts as 1
}

// newLoraTable draws A and B of a table.
func newLoraTable(s lowRank, w *model.Weight, rng *rand.Rand) (*loraTable, error) {
	r, alpha, err := s.on(tablePath(w))
	if err == nil {
		err = s.start.drawn(rng)
	}
	if err != nil {
		return nil, err
	}
	rows, dim := w.Shape[0], w.Shape[1]
	a, b := make([]float32, r*rows), normal(rng, dim*r, 1)
	if s.start == InitRandom {
		a = normal(rng, r*rows, 1)
	}
	return &loraTable{a: op.NewParam(a, r, rows), b: op.NewParam(b, dim, r), scale: s.scale(r, alpha)}, nil
}

// Params implements model.TableAdapter.
func (l *loraTable) Params() []model.Param {
	return []model.Param{{Name: "lora_embedding_A", Param: l.a}, {Name: "lora_embedding_B", Param: l.b, LRScale: l.ratio}}
}

// Rank implements Ranker.
func (l *loraTable) Rank() (symbol string, n int) { return "r", op.Data(l.a).Rows }

// rows is s·Aᵀ for rows [i, i+n) of the table, [n, r].
func (l *loraTable) rows(i, n int) *scratch {
	a := op.Data(l.a)
	t := take(n, a.Rows)
	for k := range a.Rows {
		for j, v := range a.Row(k)[i : i+n] {
			t.Row(j)[k] = l.scale * v
		}
	}
	return t
}

// MergeInto implements model.TableAdapter: w += s·A[:,i:]ᵀ·B[j:]ᵀ.
func (l *loraTable) MergeInto(w tensor.Matrix, i, j int) {
	b, t := op.Data(l.b), l.rows(i, w.Rows)
	defer t.give()
	tensor.NT(w, t.Matrix, b.Slice(j, 0, w.Cols, b.Cols), 1)
}

// GradRows implements model.TableAdapter: for row i with gradient g, dA[:,i] += s·Bᵀ·g and dB += s·g·A[:,i]ᵀ.
func (l *loraTable) GradRows(rows []int32, gy tensor.Matrix) {
	a, b := op.Data(l.a), op.Data(l.b)
	h := take(len(rows), a.Rows) // s·Aᵀ of the rows, 0 where there is no gradient
	defer h.give()
	for t, i := range rows {
		for k := range a.Rows {
			h.Row(t)[k] = 0
			if i >= 0 {
				h.Row(t)[k] = l.scale * a.Row(k)[i]
			}
		}
	}
	if op.RequiresGrad(l.b) {
		tensor.TN(op.Grad(l.b), gy, h.Matrix, 1)
	}
	if !op.RequiresGrad(l.a) {
		return
	}
	g := take(len(rows), b.Cols)
	defer g.give()
	tensor.NN(g.Matrix, gy, b, 0)
	vec.Scale(g.Data, l.scale, g.Data)
	da := op.Grad(l.a)
	for t, i := range rows {
		if i < 0 {
			continue
		}
		for k, v := range g.Row(t) {
			da.Row(k)[i] += v
		}
	}
}

// SpectrumFactors implements SpectrumFactorer: ΔWᵀ is s·B·A, which has the same singular values.
func (l *loraTable) SpectrumFactors(_, _ int) []*mat.Dense {
	return []*mat.Dense{spectrum.LowRank(op.Data(l.b), op.Data(l.a), l.scale)}
}
