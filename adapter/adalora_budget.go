package adapter

import (
	"math"
	"slices"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

var (
	_ HookProvider = (*AdaLoRA)(nil)
	_ Hooks        = (*budget)(nil)
)

// budget has AdaLoRA's Hooks. It adds the gradient of the orthogonality, and takes triplets away by setting their entry
// of E to zero.
type budget struct {
	c      *AdaLoRA
	layers []triplets
}

// triplets are those of one layer.
type triplets struct {
	path string
	*adalora
	// The smoothed importance Ī (Eq. 9) of the elements of A, B and E, and its uncertainty Ū (Eq. 10).
	importance, uncertainty [3][]float32
	kept                    []float32 // 1 or 0 by triplet, as the budget was last given out; nil before
}

// Hooks implements HookProvider.
func (c *AdaLoRA) Hooks(layers []Layer) Hooks {
	b := &budget{c: c}
	for _, l := range layers {
		t := triplets{path: l.Path(), adalora: l.Adapter.(*adalora)}
		for i, p := range t.Params() {
			t.importance[i], t.uncertainty[i] = make([]float32, p.Size()), make([]float32, p.Size())
		}
		b.layers = append(b.layers, t)
	}
	return b
}

// OnTrainBegin takes the length of the run where the settings do not have it.
func (b *budget) OnTrainBegin(total int) error {
	if b.c.TotalStep > 0 {
		return nil
	}
	if err := b.c.fits(total); err != nil {
		return err
	}
	b.c.TotalStep = total
	return nil
}

// OnPreOptimizerStep adds the gradient of the orthogonality.
func (b *budget) OnPreOptimizerStep() {
	share := valueOf(b.c.OrthRegWeight) / float64(2*len(b.layers))
	if share == 0 {
		return
	}
	tensor.Parallel(len(b.layers), func(i int) {
		l := b.layers[i]
		a, q := op.Data(l.a), op.Data(l.b)
		if a.Rows == 0 {
			return
		}
		cov := take(a.Rows, a.Rows)
		defer cov.give()
		tensor.NT(cov.Matrix, a, a, 0)
		if offUnit(cov.Matrix, share) {
			tensor.NN(op.Grad(l.a), cov.Matrix, a, 1)
		}
		tensor.TN(cov.Matrix, q, q, 0)
		if offUnit(cov.Matrix, share) {
			tensor.NN(op.Grad(l.b), q, cov.Matrix, 1)
		}
	})
}

// offUnit turns the symmetric matrix C + I into 2·share·C/‖C‖. For C = A·Aᵀ − I, the product of that with A is the
// gradient of share·‖C‖. It returns false where C is zero and there is no gradient.
func offUnit(c tensor.Matrix, share float64) bool {
	for i := range c.Rows {
		c.Row(i)[i]--
	}
	norm := math.Sqrt(float64(vec.SumSquares(c.Data)))
	if norm == 0 {
		return false
	}
	vec.Scale(c.Data, float32(2*share/norm), c.Data)
	return true
}

// OnStepEnd gives the budget out after a step, counted from 1. The gradients are still those of the step.
func (b *budget) OnStepEnd(step int) {
	last := b.c.TotalStep - b.c.TFinal
	if step < last {
		b.weigh()
	}
	switch {
	case b.c.RankPattern != nil: // the file has been cut to its budget
	case step > last:
		b.mask()
	case step == last || step > b.c.TInit && step%b.c.DeltaT == 0:
		b.choose(b.size(step))
		b.mask()
	}
}

// size is how many triplets are left after a step (Eq. 12).
func (b *budget) size(step int) int {
	all, target := b.all(), b.c.TargetR*len(b.layers)
	last := b.c.TotalStep - b.c.TFinal
	left := 1 - float64(step-b.c.TInit)/float64(last-b.c.TInit)
	return int(float64(all-target)*left*left*left + float64(target))
}

// all counts the triplets of all layers.
func (b *budget) all() int {
	n := 0
	for _, l := range b.layers {
		n += op.Data(l.a).Rows
	}
	return n
}

// weigh updates the smoothed |w·g| and its smoothed distance from that mean.
func (b *budget) weigh() {
	b1, b2 := float32(b.c.Beta1), float32(b.c.Beta2)
	tensor.Parallel(len(b.layers), func(i int) {
		for k, p := range b.layers[i].Params() {
			w, g := op.Data(p.Param).Data, op.Grad(p.Param).Data
			mean, off := b.layers[i].importance[k], b.layers[i].uncertainty[k]
			for j := range w {
				now := abs(w[j] * g[j])
				mean[j] = b1*mean[j] + (1-b1)*now
				off[j] = b2*off[j] + (1-b2)*abs(now-mean[j])
			}
		}
	})
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

// scores are the triplets' scores (Eq. 7): Ī·Ū of the entry of E, plus the mean of Ī·Ū over the row of A, plus that over
// the column of B.
func (t *triplets) scores() []float32 {
	a, b := op.Data(t.a), op.Data(t.b)
	s := make([]float32, a.Rows)
	score := func(k, i int) float64 { return float64(t.importance[k][i] * t.uncertainty[k][i]) }
	for r := range s {
		rows, cols := 0.0, 0.0
		for j := range a.Cols {
			rows += score(0, r*a.Cols+j)
		}
		for i := range b.Rows {
			cols += score(1, i*b.Cols+r)
		}
		s[r] = float32(score(2, r) + rows/float64(a.Cols) + cols/float64(b.Rows))
	}
	return s
}

// choose keeps the n triplets with the highest scores. Where several have the score at which the budget ends, it keeps
// none of those.
func (b *budget) choose(n int) {
	var each [][]float32
	var all []float32
	for i := range b.layers {
		each = append(each, b.layers[i].scores())
		all = append(all, each[i]...)
	}
	slices.Sort(all)
	limit := float32(-1)
	if n < len(all) {
		limit = all[len(all)-n-1]
	}
	for i, scores := range each {
		b.layers[i].kept = make([]float32, len(scores))
		for r, s := range scores {
			if s > limit {
				b.layers[i].kept[r] = 1
			}
		}
	}
}

// mask sets E to zero for triplets that are not kept.
func (b *budget) mask() {
	for _, l := range b.layers {
		e := op.Data(l.e).Data
		for r, k := range l.kept {
			if k == 0 {
				e[r] = 0
			}
		}
	}
}

// State lists importance, uncertainty and which triplets are kept.
func (b *budget) State() []StateTensor {
	var all []StateTensor
	for i := range b.layers {
		l := &b.layers[i]
		for k, p := range l.Params() {
			all = append(all, StateTensor{"importance." + l.path + "." + p.Name, &l.importance[k], p.Size()},
				StateTensor{"uncertainty." + l.path + "." + p.Name, &l.uncertainty[k], p.Size()})
		}
		all = append(all, StateTensor{"kept." + l.path, &l.kept, op.Data(l.a).Rows})
	}
	return all
}
