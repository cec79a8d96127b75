package adapter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Weighted is an adapter with the weight that it has in a combination.
type Weighted struct {
	*Adapter
	Weight float64
}

// CombineOptions say how adapters become one. The names and what they mean are those of PEFT's add_weighted_adapter.
type CombineOptions struct {
	// How is one of Combinations:
	//
	//	linear  sums of the trained matrices. For MoRA, whose ΔW is linear in its matrix, that is Σ w·ΔW exactly. For LoRA it
	//	        is not: A and B are summed apart, each with √|w·s|.
	//	cat     LoRA's matrices one beside the other: Σ w·ΔW exactly, by a LoRA of the sum of the ranks.
	//	svd     the leading singular values of Σ w·ΔW.
	//	ties    like linear, but each matrix keeps the Density of its values that are largest, and the mean is taken over those
	//	        whose sign is that of the values' sum (Yadav et al. 2023, arXiv 2306.01708).
	//	dare    like linear, but of each matrix only a share Density, drawn at random, is kept and divided by it (Yu et al. 2023,
	//	        arXiv 2311.03099; PEFT's dare_linear).
	How string
	// Rank is svd's rank; 0 is the largest rank of the adapters.
	Rank int
	// Density is the share of values that ties and dare keep, above 0 and at most 1.
	Density float64
	// Seed decides which values dare keeps.
	Seed uint64
}

// Combinations are the values of CombineOptions.How.
func Combinations() []string { return []string{"linear", "cat", "svd", "ties", "dare"} }

// validate says which option cannot be.
func (o CombineOptions) validate() error {
	sparse := o.How == "ties" || o.How == "dare"
	switch {
	case !slices.Contains(Combinations(), o.How):
		return fmt.Errorf("unknown way %q%s", o.How, suggest.Hint(o.How, Combinations()))
	case sparse && !(o.Density > 0 && o.Density <= 1):
		return fmt.Errorf("%s wants a density, the share of values that it keeps, above 0 and at most 1; it is %g", o.How, o.Density)
	case !sparse && o.Density != 0:
		return fmt.Errorf("density is for ties and dare, not for %s", o.How)
	case o.Rank != 0 && o.How != "svd":
		return fmt.Errorf("rank is for svd, not for %s", o.How)
	case o.Rank < 0 || o.Rank > maxRank:
		return fmt.Errorf("rank is %d; want 1 to %d", o.Rank, maxRank)
	}
	return nil
}

// Combine makes one adapter of several on the same model, and puts it on the model under a name. A layer that only some of
// them adapt is combined of these. MoRAs of one type and size become a MoRA by linear, ties and dare; else the result is a plain
// LoRA. The adapters stay as they are; they must not be merged, nor train weights whole.
func Combine(ctx context.Context, m *model.Model, name string, parts []Weighted, o CombineOptions) (*Adapter, error) {
	a, err := combine(ctx, m, name, parts, o)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return a, nil
}

// CheckWeight refuses a weight of a combination that float32 does not have.
func CheckWeight(weight float64) error {
	if !numeric.IsFinite(float32(weight)) {
		return fmt.Errorf("weight %g; want a number that float32 has, at most %.1e", weight, math.MaxFloat32)
	}
	return nil
}

func combine(ctx context.Context, m *model.Model, name string, parts []Weighted, o CombineOptions) (*Adapter, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, errors.New("no adapter is named")
	}
	for _, p := range parts {
		if err := p.onlyLayers(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		if p.restores != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, ErrMerged)
		}
		if err := CheckWeight(p.Weight); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	shared := sharedLayers(m, parts)
	if o.How != "cat" && o.How != "svd" {
		if _, ok := parts[0].Method.(*MoRA); ok {
			return combineMoRA(ctx, m, name, parts, shared, o)
		}
	}
	var layers []LowRank
	for _, s := range shared {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := s.combine(o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		l.Path = s.path
		layers = append(layers, l)
	}
	return AttachLowRank(ctx, m, name, layers, parts[0].Method.Settings())
}

// sharedLayer is a layer with the adapters that it has.
type sharedLayer struct {
	path    string
	out, in int
	parts   []Layer
	of      []*Adapter
	weights []float64
}

// sharedLayers are the adapted layers in the model's order.
func sharedLayers(m *model.Model, parts []Weighted) []sharedLayer {
	var all []sharedLayer
	m.Linears(func(l *model.Linear) {
		s := sharedLayer{path: l.Path()}
		s.out, s.in = l.Dims()
		for _, p := range parts {
			for _, own := range p.layers {
				if own.Linear == l {
					s.parts, s.of, s.weights = append(s.parts, own), append(s.of, p.Adapter), append(s.weights, p.Weight)
				}
			}
		}
		if len(s.parts) > 0 {
			all = append(all, s)
		}
	})
	return all
}

// combine returns the layer's LoRA.
func (s sharedLayer) combine(o CombineOptions) (LowRank, error) {
	if o.How != "cat" && o.How != "svd" {
		return s.combineLoRA(o)
	}
	factors, err := s.factors()
	if err != nil {
		return LowRank{}, err
	}
	sum := sumOf(factors, s.weights)
	if o.How == "cat" {
		return sum, nil
	}
	if o.Rank == 0 {
		for _, f := range factors {
			o.Rank = max(o.Rank, f.A.Rows)
		}
	}
	sum.Bound = min(s.out, s.in)
	err = sum.truncate(product(sum.B, sum.A), LowRankOptions{Rank: o.Rank})
	return sum, err
}

// factors are the updates of the layer's adapters as LoRA's matrices.
func (s sharedLayer) factors() ([]LowRank, error) {
	var all []LowRank
	for i, p := range s.parts {
		f, err := s.of[i].lowRankOf(p, LowRankOptions{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.of[i].Name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

// sumOf returns Σ w·ΔW as LoRA's matrices one beside the other.
func sumOf(factors []LowRank, weights []float64) LowRank {
	rank := 0
	for _, f := range factors {
		rank += f.A.Rows
	}
	out, in := factors[0].B.Rows, factors[0].A.Cols
	sum, at := LowRank{B: tensor.New(out, rank), A: tensor.New(rank, in), Exact: true}, 0
	for i, f := range factors {
		for k := range f.A.Rows {
			vec.Scale(sum.A.Row(at+k), float32(weights[i]), f.A.Row(k))
		}
		for j := range out {
			copy(sum.B.Row(j)[at:], f.B.Row(j))
		}
		at += f.A.Rows
	}
	return sum
}

// combineLoRA combines A and B of LoRAs apart. The sign of a weight goes with A.
func (s sharedLayer) combineLoRA(o CombineOptions) (LowRank, error) {
	var as, bs []tensor.Matrix
	var weightsA, weightsB []float64
	for i, p := range s.parts {
		l, ok := p.Adapter.(*lora)
		switch {
		case !ok:
			return LowRank{}, fmt.Errorf("%s combines LoRAs, or MoRAs of one type; %s is %s: use cat or svd", o.How, s.of[i].Name, MethodName(s.of[i].Method))
		case changesBias(p):
			return LowRank{}, fmt.Errorf("%s has a bias, which a plain LoRA has not", s.of[i].Name)
		}
		as, bs = append(as, op.Data(l.a)), append(bs, op.Data(l.b))
		if as[i].Rows != as[0].Rows {
			return LowRank{}, fmt.Errorf("%s has rank %d, %s %d, and %s wants one rank: use cat or svd", s.of[0].Name, as[0].Rows, s.of[i].Name, as[i].Rows, o.How)
		}
		w := s.weights[i] * float64(l.scale)
		weightsA = append(weightsA, math.Copysign(math.Sqrt(math.Abs(w)), w))
		weightsB = append(weightsB, math.Sqrt(math.Abs(w)))
	}
	rng := layerRand(o.Seed, s.path)
	return LowRank{A: o.sum(as, weightsA, rng), B: o.sum(bs, weightsB, rng)}, nil
}

// combineMoRA combines the matrices of MoRAs.
func combineMoRA(ctx context.Context, m *model.Model, name string, parts []Weighted, shared []sharedLayer, o CombineOptions) (*Adapter, error) {
	var paths []string
	for _, s := range shared {
		paths = append(paths, s.path)
	}
	method, _ := clone(parts[0].Method).(*MoRA)
	method.TargetModules = TargetModules{List: shortPaths(m, paths)}
	method.ExcludeModules, method.LayersToTransform, method.LayersPattern = TargetModules{}, nil, nil
	for _, p := range parts {
		if other, ok := p.Method.(*MoRA); !ok || other.Type != method.Type {
			return nil, fmt.Errorf("%s combines MoRAs of one type; %s is %s, %s %s: use cat or svd", o.How, parts[0].Name, MethodName(parts[0].Method), p.Name, MethodName(p.Method))
		}
	}
	made, err := Attach(ctx, m, name, method, 0)
	if err != nil {
		return nil, err
	}
	for i, l := range made.Layers() {
		s := shared[i]
		own, _ := l.Adapter.(*mora)
		var matrices []tensor.Matrix
		for k, p := range s.parts {
			part, _ := p.Adapter.(*mora)
			if part.q != own.q {
				made.Detach()
				return nil, fmt.Errorf("%s: r̂ is %d in %s and %d in %s: use cat or svd", s.path, own.q, parts[0].Name, part.q, s.of[k].Name)
			}
			matrices = append(matrices, op.Data(part.m))
		}
		copy(op.Data(own.m).Data, o.sum(matrices, s.weights, layerRand(o.Seed, s.path)).Data)
	}
	made.ParamsChanged()
	return made, nil
}

// sum combines matrices of one shape.
func (o CombineOptions) sum(matrices []tensor.Matrix, weights []float64, rng *rand.Rand) tensor.Matrix {
	sum := tensor.New(matrices[0].Rows, matrices[0].Cols)
	kept := make([][]float32, len(matrices))
	for i, m := range matrices {
		switch o.How {
		case "ties":
			kept[i] = largest(m.Data, o.Density)
		case "dare":
			kept[i] = dropped(m.Data, o.Density, rng)
		default:
			kept[i] = m.Data
		}
	}
	for j := range sum.Data {
		sign, n, v := 0.0, 0, 0.0
		for _, k := range kept {
			sign += float64(k[j])
		}
		for i, k := range kept {
			x := float64(k[j])
			if o.How == "ties" && !(x > 0 && sign >= 0 || x < 0 && sign < 0) {
				continue
			}
			v, n = v+weights[i]*x, n+1
		}
		if o.How == "ties" {
			v /= float64(max(1, n))
		}
		sum.Data[j] = float32(v)
	}
	return sum
}

// largest keeps the share of values that have the largest magnitudes; the others are 0.
func largest(values []float32, density float64) []float32 {
	n := int(density * float64(len(values)))
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(math.Abs(float64(values[j])), math.Abs(float64(values[i])))
	})
	kept := make([]float32, len(values))
	for _, i := range order[:n] {
		kept[i] = values[i]
	}
	return kept
}

// dropped keeps each value with the probability density, divided by it; the others are 0.
func dropped(values []float32, density float64, rng *rand.Rand) []float32 {
	kept := make([]float32, len(values))
	for i, v := range values {
		if rng.Float64() < density {
			kept[i] = float32(float64(v) / density)
		}
	}
	return kept
}

// CombinationError returns the largest error over the layers, ‖Σ w·ΔW − ΔW'‖/‖Σ w·ΔW‖ by the Frobenius norm, with ΔW' of the
// combined adapter, and the layer that has it. Where Σ w·ΔW is zero, the error is ‖ΔW'‖.
func CombinationError(parts []Weighted, combined *Adapter) (worst float64, path string, err error) {
	own := map[string]Layer{}
	for _, l := range combined.layers {
		own[l.Path()] = l
	}
	for _, s := range sharedLayers(combined.model, parts) {
		factors, err := s.factors()
		if err != nil {
			return 0, "", err
		}
		made, err := combined.lowRankOf(own[s.path], LowRankOptions{})
		if err != nil {
			return 0, "", err
		}
		norm := func(f LowRank) float64 { return mat.Norm(spectrum.LowRank(f.B, f.A, 1), 2) }
		total, missed := norm(sumOf(factors, s.weights)), norm(sumOf(append(factors, made), append(slices.Clone(s.weights), -1)))
		if total > 0 {
			missed /= total
		}
		if missed > worst {
			worst, path = missed, s.path
		}
	}
	return worst, path, nil
}
