package adapter

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// TestLoRAXSFactors: B has orthonormal columns, and B·A is the best approximation of W of its rank; it is ΔW for R = I and
// scale 1.
func TestLoRAXSFactors(t *testing.T) {
	for _, s := range [][2]int{{37, 20}, {20, 37}, {140, 150}} {
		l := bareLinear(s[0], s[1], 3)
		made, err := mustNew(t, "loraxs", map[string]any{"r": 4, "lora_alpha": 4}).Adapt(l, rand.New(rand.NewPCG(7, 8)))
		if err != nil {
			t.Fatal(err)
		}
		x := made.(*loraxs)
		gram := tensor.New(4, 4)
		tensor.TN(gram, op.Data(x.b), op.Data(x.b), 0)
		golden.Close(t, "Bᵀ·B", gram.Data, identity(4).Data, 1e-5, false)
		copy(op.Data(x.r).Data, identity(4).Data)
		rest := spectrum.Float64(dense(l.Weight.Source("")))
		rest.Sub(rest, spectrum.Float64(folded(tensor.New(s[0], s[1]), x)))
		svd, err := spectrum.Exact(l.Weight.Source(""))
		if err != nil {
			t.Fatal(err)
		}
		want := 0.0
		for _, v := range svd.Values[4:] {
			want += v * v
		}
		if got := math.Pow(mat.Norm(rest, 2), 2); math.Abs(got/want-1) > 1e-3 {
			t.Errorf("%v: the approximation is %g off, the best %g", s, got, want)
		}
	}
}

// TestLoRAXSTrains: a layer has r² trained numbers, which have a gradient at the start, where R is 0. "gaussian" is the
// paper's start.
func TestLoRAXSTrains(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", &LoRAXS{Common: Common{TargetModules: Suffixes("q_proj")}, R: 6})
	if a.NumTrainable() != 3*36 {
		t.Errorf("%d trainable, want 108", a.NumTrainable())
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range a.layers {
		l.Adapter.Grad(random(rng, 9, 20), random(rng, 9, 18))
		p := l.Adapter.Params()[0].Param
		if golden.MaxAbs(op.Data(p).Data, make([]float32, 36)) != 0 || golden.MaxAbs(op.Grad(p).Data, make([]float32, 36)) == 0 {
			t.Errorf("%s: R is %v, its gradient %v", l.Path(), op.Data(p).Data, op.Grad(p).Data)
		}
	}
	b := mustAttach(t, m, "b", &LoRAXS{Common: Common{TargetModules: Suffixes("q_proj")}, R: 18, Init: InitGaussian})
	sum, n := 0.0, 0
	for _, p := range b.Params() {
		for _, v := range op.Data(p.Param).Data {
			sum, n = sum+float64(v)*float64(v), n+1
		}
	}
	if deviation := math.Sqrt(sum / float64(n)); math.Abs(deviation/1e-5-1) > 0.1 {
		t.Errorf("the deviation of R is %g, want 1e-5", deviation)
	}
	for _, tt := range []struct {
		method Method
		want   string
	}{
		{&LoRAXS{R: 7}, "r 7 is larger than model.layers.0.self_attn.k_proj, 6×20, has singular values"},
		{&LoRAXS{Init: InitPiSSA}, `LoRA-XS has no start "pissa"`},
	} {
		if _, err := Attach(t.Context(), m, "c", tt.method, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// TestLoRAXSFile: the frozen factors come from the file, to the bit, and not from the weights of the model.
func TestLoRAXSFile(t *testing.T) {
	a := mustAttach(t, tinyModel(t, true), "a", &LoRAXS{R: 3})
	stirAll(a, 1)
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	other := tinyModel(t, true)
	change := mustAttach(t, other, "change", &MoRA{R: 1})
	stirAll(change, 2)
	if err := change.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := Load(t.Context(), other, dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	one, two := a.tensors(), b.tensors()
	if len(one) != 3*len(a.layers) {
		t.Errorf("%d tensors are saved, want three a layer", len(one))
	}
	for i := range one {
		if one[i].Name != two[i].Name || !slices.Equal(one[i].values(), two[i].values()) {
			t.Errorf("%s came back as other values of %s", one[i].Name, two[i].Name)
		}
	}
}
