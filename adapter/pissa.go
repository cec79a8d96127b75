package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

var (
	_ ConfigTranslator     = (*LoRA)(nil)
	_ model.Adapter        = (*residual)(nil)
	_ model.DeltaForwarder = (*residual)(nil)
	_ SpectrumFactorer     = (*residual)(nil)
	_ TensorStorer         = (*residual)(nil)
	_ AfterLoader          = (*residual)(nil)
)

const (
	// InitPiSSA starts with the r largest singular values of W and their vectors (Meng et al. 2024, arXiv 2404.02948,
	// Eq. 2–3). "pissa_niter_N" finds them in N iterations.
	InitPiSSA Init = "pissa"
	// InitOLoRA starts with the first r columns of Q and rows of R of W = Q·R (Büyükakyüz 2024, arXiv 2406.01775).
	InitOLoRA Init = "olora"
)

func init() {
	for _, start := range []Init{InitPiSSA, InitOLoRA} {
		r := Registration{PEFTType: "LORA", New: func() Method {
			c := newLoRA()
			c.Init = start
			return c
		}}
		if start == InitPiSSA {
			r.LearningRate = func(int) LRRange {
				return LRRange{2e-5, 2e-4, "not in the MoRA paper; from its paper's 2e-5 on: it starts on the largest directions of W"}
			}
		}
		Register(string(start), r)
	}
}

// niter is N for the start "pissa_niter_N", and 0 for others.
func (i Init) niter() int {
	s, ok := strings.CutPrefix(string(i), "pissa_niter_")
	n, err := strconv.Atoi(s)
	if !ok || err != nil || n < 1 || n > 1000 {
		return 0
	}
	return n
}

// residual says whether the adapter starts with a part of W.
func (i Init) residual() bool { return i == InitPiSSA || i == InitOLoRA || i.niter() > 0 }

// keepsResidual says that a file has only A and B: what the start left of W must be computed.
func (c *LoRA) keepsResidual() bool { return c.Init.residual() && c.ConvertedFrom == InitDefault }

// residual is a LoRA that starts with a part s·B₀·A₀ of W. In the papers the residual W − s·B₀·A₀ takes the place of W.
// Here W stays as it is, and W' = W + s·(B·A − B₀·A₀). The difference is computed as (B−B₀)·A + B₀·(A−A₀), which is
// exactly 0 at the start. To a base that stays as it is, this is the LoRA [B, −B₀]·[A; A₀] of rank 2r, and so it is saved,
// as PEFT's path_initial_model_for_weight_conversion does.
type residual struct {
	*lora
	a0, b0 tensor.Matrix // [r, in], [out, r]
	raw    bool          // the file that is being read has only A and B
}

// AfterLoad implements AfterLoader: from now on the adapter is saved with A₀ and B₀.
func (d *residual) AfterLoad() { d.raw = false }

// residual gives a LoRA its start. Where a file has only A and B, as PEFT writes it unconverted, the start is computed from
// W as PEFT does it.
func (c *LoRA) residual(low *lora, l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	a, b := op.Data(low.a), op.Data(low.b)
	out, in := l.Dims()
	if low.scale <= 0 {
		return nil, fmt.Errorf("lora_alpha of %s is below 0; %q starts only with one above 0", l.Path(), string(c.Init))
	}
	if err := hasSingularValues(l, a.Rows); err != nil {
		return nil, err
	}
	d := &residual{lora: low, a0: tensor.New(a.Rows, in), b0: tensor.New(out, a.Rows), raw: rng == nil && c.keepsResidual()}
	if rng == nil && !d.raw {
		return d, nil
	}
	if d.raw && c.Init.niter() > 0 {
		return nil, fmt.Errorf("init_lora_weights %q: the start, which PEFT drew, is not in the file; let PEFT save it with path_initial_model_for_weight_conversion", string(c.Init))
	}
	if err := c.Init.start(a, b, l.Weight.Source(""), float64(low.scale), d.raw); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path(), err)
	}
	copy(d.a0.Data, a.Data)
	copy(d.b0.Data, b.Data)
	return d, nil
}

// TakesLinear implements LinearFilter: a start by singular values needs more than one, which a gate with one output has.
func (c *LoRA) TakesLinear(l *model.Linear) bool { return !c.Init.residual() || severalOutputs(l) }

func severalOutputs(l *model.Linear) bool {
	out, _ := l.Dims()
	return out > 1
}

// hasSingularValues refuses a rank above the number of a layer's singular values.
func hasSingularValues(l *model.Linear, r int) error {
	if out, in := l.Dims(); r > min(out, in) {
		return fmt.Errorf("r %d is larger than %s, %d×%d, has singular values; lower r, or rank_pattern for that layer", r, l.Path(), out, in)
	}
	return nil
}

// start sets a and b to the part of w.
func (i Init) start(a, b tensor.Matrix, w tensor.Source, scale float64, exact bool) error {
	if i == InitOLoRA {
		return olora(a, b, w)
	}
	svd, err := i.decompose(w, a.Rows, exact)
	if err != nil {
		return err
	}
	for k := range a.Rows {
		copy(a.Row(k), scaledRow(svd.Right, k, svd.Values[k]/scale))
		for j, v := range scaledRow(svd.Left, k, svd.Values[k]/scale) {
			b.Row(j)[k] = v
		}
	}
	return nil
}

// decompose returns the r largest singular values of w with their vectors, and exactly so if exact is set.
func (i Init) decompose(w tensor.Source, r int, exact bool) (spectrum.SVD, error) {
	switch n := i.niter(); {
	case n > 0:
		return spectrum.Iterate(w, r, n)
	case exact:
		return spectrum.Exact(w)
	}
	return spectrum.Truncated(w, r)
}

// scaledRow is row i of m times √s, in float32.
func scaledRow(m *mat.Dense, i int, s float64) []float32 {
	row := make([]float32, m.RawMatrix().Cols)
	for j, v := range m.RawRowView(i) {
		row[j] = float32(v * math.Sqrt(s))
	}
	return row
}

// olora sets b to the first r columns of Q, which depend on the first r columns of W alone, and a to bᵀ·W.
func olora(a, b tensor.Matrix, w tensor.Source) error {
	rows, r := b.Rows, a.Rows
	first := tensor.New(rows, r)
	w.Block(first.Data, r, 0, 0, rows, r)
	q, _ := spectrum.ThinQR(spectrum.Float64(first))
	copy(b.Data, spectrum.Float32(q))
	tensor.NN(a, tensor.View(spectrum.Float32(q.T()), r, rows), w, 0)
	return nil
}

// moved returns rows [i, i+n) of B−B₀ and columns [j, j+m) of A−A₀.
func (d *residual) moved(i, n, j, m int) (db, da *scratch) {
	b, a := op.Data(d.b), op.Data(d.a)
	db, da = take(n, b.Cols), take(a.Rows, m)
	copy(db.Data, b.Data[i*b.Cols:(i+n)*b.Cols])
	vec.Axpy(db.Data, -1, d.b0.Data[i*b.Cols:(i+n)*b.Cols])
	for k := range a.Rows {
		copy(da.Row(k), a.Row(k)[j:j+m])
		vec.Axpy(da.Row(k), -1, d.a0.Row(k)[j:j+m])
	}
	return db, da
}

// MergeInto implements model.Adapter.
func (d *residual) MergeInto(w tensor.Matrix, i, j int) {
	db, da := d.moved(i, w.Rows, j, w.Cols)
	defer db.give()
	defer da.give()
	a := op.Data(d.a)
	vec.Scale(db.Data, d.scale, db.Data)
	tensor.NN(w, db.Matrix, a.Slice(0, j, a.Rows, w.Cols), 1)
	s := take(w.Rows, a.Rows)
	defer s.give()
	vec.Scale(s.Data, d.scale, d.b0.Data[i*a.Rows:(i+w.Rows)*a.Rows])
	tensor.NN(w, s.Matrix, da.Matrix, 1)
}

// halves returns the two products (B−B₀)·A and B₀·(A−A₀); done gives back their memory.
func (d *residual) halves() (one, two half, done func()) {
	db, da := d.moved(0, d.b0.Rows, 0, d.a0.Cols)
	return half{op.Data(d.a), db.Matrix, d.scale}, half{da.Matrix, d.b0, d.scale}, func() { db.give(); da.give() }
}

// half is a product s·B·A.
type half struct {
	a, b  tensor.Matrix
	scale float32
}

// Forward adds x·ΔWᵀ to y.
func (d *residual) Forward(y, x tensor.Matrix) {
	one, two, done := d.halves()
	defer done()
	for _, p := range []half{one, two} {
		h := take(x.Rows, p.a.Rows)
		tensor.NT(h.Matrix, x, p.a, 0)
		vec.Scale(h.Data, p.scale, h.Data)
		tensor.NT(y, h.Matrix, p.b, 1)
		h.give()
	}
}

// Backward adds gy·ΔW to dx.
func (d *residual) Backward(dx, gy tensor.Matrix) {
	one, two, done := d.halves()
	defer done()
	for _, p := range []half{one, two} {
		g := take(gy.Rows, p.a.Rows)
		tensor.NN(g.Matrix, gy, p.b, 0)
		vec.Scale(g.Data, p.scale, g.Data)
		tensor.NN(dx, g.Matrix, p.a, 1)
		g.give()
	}
}

// SpectrumFactors implements SpectrumFactorer: ΔW is [s·(B−B₀), s·B₀]·[A; A−A₀].
func (d *residual) SpectrumFactors(out, in int) []*mat.Dense {
	one, two, done := d.halves()
	defer done()
	r := d.a0.Rows
	both := &lora{a: op.NewParam(make([]float32, 2*r*in), 2*r, in), b: op.NewParam(make([]float32, out*2*r), out, 2*r), scale: d.scale}
	copy(op.Data(both.a).Data, one.a.Data)
	copy(op.Data(both.a).Data[r*in:], two.a.Data)
	for i := range out {
		copy(op.Data(both.b).Row(i), one.b.Row(i))
		copy(op.Data(both.b).Row(i)[r:], two.b.Row(i))
	}
	return both.SpectrumFactors(out, in)
}

// StoredTensors implements TensorStorer.
func (d *residual) StoredTensors() []StoredTensor {
	if d.raw {
		return asStored(d.Params())
	}
	r, in, out := d.a0.Rows, d.a0.Cols, d.b0.Rows
	a, b := op.Data(d.a), op.Data(d.b)
	return []StoredTensor{{
		Name: "lora_A.weight", Shape: []int{2 * r, in}, Param: d.a,
		Pack: func() []float32 { return append(append([]float32(nil), a.Data...), d.a0.Data...) },
		Unpack: func(v []float32) {
			copy(a.Data, v)
			copy(d.a0.Data, v[r*in:])
		},
	}, {
		Name: "lora_B.weight", Shape: []int{out, 2 * r}, Param: d.b,
		Pack: func() []float32 {
			v := make([]float32, 0, 2*r*out)
			for i := range out {
				v = append(v, b.Row(i)...)
				for _, x := range d.b0.Row(i) {
					v = append(v, -x)
				}
			}
			return v
		},
		Unpack: func(v []float32) {
			for i := range out {
				copy(b.Row(i), v[2*r*i:])
				for k := range r {
					d.b0.Row(i)[k] = -v[2*r*i+r+k]
				}
			}
		},
	}}
}

// wider is the factor by which α grows with the doubled rank, so that the scale stays the same.
func (c *LoRA) wider() float64 {
	if c.RSLoRA {
		return math.Sqrt2
	}
	return 2
}

// ToFile implements ConfigTranslator: a start with a part of W is saved as a LoRA of twice the rank.
func (c *LoRA) ToFile(all map[string]any) {
	delete(all, "converted_from")
	if !c.Init.residual() {
		return
	}
	ranks, alphas := slices.Clone(c.RankPattern), slices.Clone(c.AlphaPattern)
	for i := range ranks {
		ranks[i].Value *= 2
	}
	for i := range alphas {
		alphas[i].Value *= c.wider()
	}
	all["r"], all["lora_alpha"], all["rank_pattern"], all["alpha_pattern"] = 2*c.R, c.Alpha*c.wider(), ranks, alphas
	all["init_lora_weights"], all["converted_from"] = InitDefault, c.Init
}

// FromFile implements ConfigTranslator: it undoes ToFile.
func (c *LoRA) FromFile() error {
	if !c.ConvertedFrom.residual() {
		c.ConvertedFrom = InitDefault
		return nil
	}
	c.Init = c.ConvertedFrom
	if c.R%2 != 0 {
		return fmt.Errorf("r is %d and converted_from is %q: want an even rank, half of it the start", c.R, string(c.Init))
	}
	c.R /= 2
	c.Alpha = digits12(c.Alpha / c.wider())
	for i, e := range c.RankPattern {
		if e.Value%2 != 0 {
			return fmt.Errorf("rank_pattern: %s is %d and converted_from is %q: want an even rank", e.Key, e.Value, string(c.Init))
		}
		c.RankPattern[i].Value /= 2
	}
	for i := range c.AlphaPattern {
		c.AlphaPattern[i].Value = digits12(c.AlphaPattern[i].Value / c.wider())
	}
	return nil
}

// digits12 rounds to twelve digits, so that α·√2/√2 is α again.
func digits12(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return v
	}
	return r
}
