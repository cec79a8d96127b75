package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// variants are settings that a method is tested with, besides its defaults.
var variants = map[string][]map[string]any{
	"lora":     {{"init_lora_weights": "gaussian", "lora_alpha": 3.5}},
	"pissa":    {{"init_lora_weights": "pissa_niter_3", "use_rslora": true}},
	"loraplus": {{"init_lora_weights": "olora"}},
	"dora":     {{"use_rslora": true}},
	"asylora":  {{"freeze_a": false}},
	"mora":     {{"mora_type": 1}, {"mora_type": 2}, {"mora_type": 3}, {"mora_type": 4}, {"mora_type": "truncation"}, {"mora_type": "decouple"}, {"mora_type": "auto"}, {"save_format": "lora_A"}},
	"ia3":      {{"feedforward_modules": ".*"}},
	"adalora":  {{"lora_alpha": 0}},
	"vera":     {{"save_projection": false, "projection_prng_key": 3}},
}

// aliases are the keys of a method for settings that the suite calls by the name that most methods have for them.
var aliases = map[string]map[string][]string{
	"adalora": {"r": {"init_r", "target_r"}},
	"ia3":     {"init_lora_weights": {"init_ia3_weights"}},
	"vera":    {"init_lora_weights": {"init_weights"}, "lora_dropout": {"vera_dropout"}},
}

// setting sets the keys that a method has for a setting; a method without any leaves it out.
func setting(settings map[string]any, name, key string, value any) {
	keys := []string{key}
	if own, ok := aliases[name][key]; ok {
		keys = own
	}
	k := methods[name]
	for _, key := range keys {
		if _, ok := k.fields(k.New())[key]; ok {
			settings[key] = value
		}
	}
}

// each runs a test for every registered method and variant. make makes the method, with more settings.
func each(t *testing.T, f func(t *testing.T, newMethod func(more map[string]any) Method)) {
	for _, name := range Methods() {
		for _, v := range append([]map[string]any{{}}, variants[name]...) {
			t.Run(fmt.Sprint(name, v), func(t *testing.T) {
				f(t, func(more map[string]any) Method {
					settings := map[string]any{}
					for _, s := range []map[string]any{v, more} {
						for key, value := range s {
							setting(settings, name, key, value)
						}
					}
					m, err := New(name, settings)
					if err != nil {
						t.Fatal(err)
					}
					return m
				})
			})
		}
	}
}

// sizes are [out, in].
var sizes = [][2]int{{64, 64}, {40, 6}, {6, 40}, {37, 100}, {100, 37}, {61, 67}, {5, 7}, {16, 15}, {1, 30}, {130, 260}}

// eachSize runs a test for every method, size and rank that the method takes.
func eachSize(t *testing.T, f func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter)) {
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		done := 0
		for _, s := range sizes {
			for _, r := range []int{1, 3, 8} {
				m := newMethod(map[string]any{"r": r})
				l := bareLinear(s[0], s[1], 1)
				rng := rand.New(rand.NewPCG(uint64(r), 2))
				a, err := m.Adapt(l, rng)
				if err != nil {
					continue // refused; other tests look at that
				}
				done++
				t.Run(fmt.Sprintf("%dx%d_r%d", s[0], s[1], r), func(t *testing.T) {
					f(t, rng, dense(l.Weight.Source("")), a)
				})
			}
		}
		if done < 8 {
			t.Errorf("only %d sizes were taken", done)
		}
	})
}

// folded is W' as a matrix.
func folded(w tensor.Matrix, a model.Adapter) tensor.Matrix {
	f := tensor.New(w.Rows, w.Cols)
	copy(f.Data, w.Data)
	a.MergeInto(f, 0, 0)
	return f
}

func TestUntrainedChangesNothing(t *testing.T) {
	eachSize(t, func(t *testing.T, _ *rand.Rand, w tensor.Matrix, a model.Adapter) {
		golden.Close(t, "W'", folded(w, a).Data, w.Data, 0, false)
	})
}

func TestFoldByBlocks(t *testing.T) {
	eachSize(t, func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		stir(rng, a)
		whole := folded(w, a)
		for range 8 {
			i, j := rng.IntN(w.Rows), rng.IntN(w.Cols)
			rows, cols := 1+rng.IntN(w.Rows-i), 1+rng.IntN(w.Cols-j)
			ld := cols + rng.IntN(3)
			got := make([]float32, rows*ld)
			w.Block(got, ld, i, j, rows, cols)
			a.MergeInto(tensor.Matrix{Data: got, Rows: rows, Cols: cols, Stride: ld}, i, j)
			for r := range rows {
				golden.Close(t, fmt.Sprintf("%d×%d at %d,%d, row %d", rows, cols, i, j, r), got[r*ld:r*ld+cols], whole.Row(i + r)[j:j+cols], 1e-4, false)
			}
		}
	})
}

// TestForwardIsMergeInto: Forward and Backward of the identity are ΔWᵀ and ΔW.
func TestForwardIsMergeInto(t *testing.T) {
	eachSize(t, func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		s, ok := a.(model.DeltaForwarder)
		if !ok {
			t.Skip("is always folded")
		}
		stir(rng, a)
		delta := folded(tensor.New(w.Rows, w.Cols), a)
		y := tensor.New(w.Cols, w.Rows)
		s.Forward(y, identity(w.Cols))
		for i := range w.Rows {
			for j := range w.Cols {
				y.Data[j*w.Rows+i] -= delta.Row(i)[j]
			}
		}
		golden.Close(t, "Forward(I) − ΔWᵀ", y.Data, make([]float32, len(y.Data)), 1e-4, false)
		dx := tensor.New(w.Rows, w.Cols)
		s.Backward(dx, identity(w.Rows))
		golden.Close(t, "Backward(I)", dx.Data, delta.Data, 1e-4, true)
	})
}

func identity(n int) tensor.Matrix {
	m := tensor.New(n, n)
	for i := range n {
		m.Row(i)[i] = 1
	}
	return m
}

// TestGradients compares Grad and GradOutput with differences of Σ gy·(x·W'ᵀ), in which W' comes from MergeInto. The norm
// that DoRA takes as a constant is constant here, since ParamsChanged is not called.
func TestGradients(t *testing.T) {
	eachSize(t, func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		stir(rng, a)
		x, gy := random(rng, 9, w.Cols), random(rng, 9, w.Rows)
		loss := lossOf(w, a, x, gy)
		a.Grad(x, gy)
		checkDirections(t, "Grad", rng, a, loss)
		o, ok := a.(model.OutputGradder)
		if !ok {
			return
		}
		for _, p := range a.Params() {
			p.ZeroGrad()
		}
		y := tensor.New(9, w.Rows)
		tensor.NT(y, x, folded(w, a), 0)
		o.GradOutput(x, y, gy)
		checkDirections(t, "GradOutput", rng, a, loss)
	})
}

// lossOf computes Σ gy·(x·W'ᵀ) with the parameters as they are when it is called.
func lossOf(w tensor.Matrix, a model.Adapter, x, gy tensor.Matrix) func() float64 {
	return func() float64 {
		y := tensor.New(x.Rows, w.Rows)
		tensor.NT(y, x, folded(w, a), 0)
		sum := 0.0
		for i, v := range y.Data {
			sum += float64(v) * float64(gy.Data[i])
		}
		return sum
	}
}

// checkDirections compares, for each parameter and some random directions, the gradient with a difference of the loss.
func checkDirections(t *testing.T, what string, rng *rand.Rand, a interface{ Params() []model.Param }, loss func() float64) {
	t.Helper()
	for _, p := range a.Params() {
		m, g := op.Data(p.Param), op.Grad(p.Param)
		start := slices.Clone(m.Data)
		for range 3 {
			d := random(rng, m.Rows, m.Cols).Data
			at := func(step float32) float64 {
				for i := range d {
					m.Data[i] = start[i] + step*d[i]
				}
				return loss()
			}
			numeric := (at(0.5) - at(-0.5))
			analytic, scale := 0.0, 0.0
			for i := range d {
				analytic += float64(g.Data[i]) * float64(d[i])
				scale += float64(g.Data[i]) * float64(g.Data[i])
			}
			if diff := math.Abs(numeric - analytic); diff > 1e-3*math.Max(math.Sqrt(scale), 1) {
				t.Errorf("%s: %s: the loss moves by %g, its gradient says %g", what, p.Name, numeric, analytic)
			}
		}
		copy(m.Data, start)
	}
}

// TestGradAddsUp: the gradients of several passes are summed.
func TestGradAddsUp(t *testing.T) {
	eachSize(t, func(t *testing.T, rng *rand.Rand, w tensor.Matrix, a model.Adapter) {
		stir(rng, a)
		x, gy := random(rng, 4, w.Cols), random(rng, 4, w.Rows)
		a.Grad(x, gy)
		var once [][]float32
		for _, p := range a.Params() {
			once = append(once, slices.Clone(op.Grad(p.Param).Data))
		}
		a.Grad(x, gy)
		for i, p := range a.Params() {
			for j := range once[i] {
				once[i][j] *= 2
			}
			golden.Close(t, p.Name, op.Grad(p.Param).Data, once[i], 1e-5, true)
		}
	})
}

// wholeSource is W' as a matrix product reads it.
type wholeSource struct {
	tensor.Matrix
	a model.Adapter
}

func (s wholeSource) Block(dst []float32, ld, i, j, m, n int) {
	s.Matrix.Block(dst, ld, i, j, m, n)
	s.a.MergeInto(tensor.Matrix{Data: dst, Rows: m, Cols: n, Stride: ld}, i, j)
}

// TestLarge runs what several threads share: a product with W', the adapter apart from the weight, and its gradient.
func TestLarge(t *testing.T) {
	const out, in = 300, 500
	tokens := 700
	if testing.Short() {
		tokens = 200
	}
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		a := bare(t, newMethod(nil), out, in)
		rng := rand.New(rand.NewPCG(5, 6))
		stir(rng, a)
		w, x, gy := dense(bareLinear(out, in, 1).Weight.Source("")), random(rng, tokens, in), random(rng, tokens, out)
		y, dx, want := tensor.New(tokens, out), tensor.New(tokens, in), tensor.New(tokens, out)
		tensor.NT(y, x, wholeSource{w, a}, 0)
		tensor.NT(want, x, folded(w, a), 0)
		golden.Close(t, "x·W'ᵀ", y.Data, want.Data, 1e-6, true)
		a.Grad(x, gy)
		checkDirections(t, "Grad", rng, a, lossOf(w, a, x, gy))
		s, ok := a.(model.DeltaForwarder)
		if !ok {
			return
		}
		tensor.NT(y, x, w, 0)
		s.Forward(y, x)
		golden.Close(t, "x·Wᵀ and Forward", y.Data, want.Data, 1e-5, true)
		tensor.NN(dx, gy, w, 0)
		s.Backward(dx, gy)
		wantT := tensor.New(tokens, in)
		tensor.NN(wantT, gy, folded(w, a), 0)
		golden.Close(t, "gy·W and Backward", dx.Data, wantT.Data, 1e-5, true)
	})
}

// TestBF16KeepsSmallUpdates: with BF16 an update that is much smaller than the distance between bfloat16 numbers is not lost,
// forward or backward. What it adds to the output must be within 5 % of ΔW's part in float32.
func TestBF16KeepsSmallUpdates(t *testing.T) {
	const out, in, tokens = 40, 48, 80
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		rng := rand.New(rand.NewPCG(16, 2))
		l := bareLinear(out, in, 1)
		w := dense(l.Weight.Source(""))
		for i, v := range w.Data {
			w.Data[i] = tensor.FromBF16(tensor.ToBF16(v))
		}
		l.Weight.SetValues(w.Data)
		a, err := newMethod(map[string]any{"r": 2}).Adapt(l, rng)
		if err != nil {
			t.Skip(err)
		}
		l.Attach("mine", a, 0)
		var delta tensor.Matrix
		for step := float32(1e-4); delta.Data == nil || vec.Max(delta.Data) < 2e-4; step *= 2 { // small, but not beside float32's rounding
			for _, p := range a.Params() {
				for i, v := range random(rng, 1, p.Size()).Data {
					op.Data(p.Param).Data[i] += step * v
				}
			}
			l.ParamsChanged()
			delta = folded(w, a)
			vec.Axpy(delta.Data, -1, w.Data)
		}
		x, gy := random(rng, tokens, in), random(rng, tokens, out)
		y, dx := tensor.New(tokens, out), tensor.New(tokens, in)
		tensor.NT(y, x, delta, 0)
		tensor.NN(dx, gy, delta, 0)
		var got [2]tensor.Matrix
		for i, name := range []string{"mine", ""} {
			p := &op.Pass{Adapter: name, BF16: true}
			o, d := tensor.New(tokens, out), tensor.New(tokens, in)
			l.Forward(p, o, x)
			l.InputGrad(p, d, 0, gy)
			p.Release()
			if i == 0 {
				got = [2]tensor.Matrix{o, d}
				continue
			}
			vec.Axpy(got[0].Data, -1, o.Data)
			vec.Axpy(got[1].Data, -1, d.Data)
		}
		golden.Close(t, "x·ΔWᵀ", got[0].Data, y.Data, 5e-2, true)
		golden.Close(t, "gy·ΔW", got[1].Data, dx.Data, 5e-2, true)
	})
}
