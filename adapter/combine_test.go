package adapter

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// combinedLoRAs are LoRAs of one layer, and what PEFT makes of them.
type combinedLoRAs struct {
	Out, In int
	Parts   []struct {
		Name   string
		R      int
		Alpha  float64 `json:"lora_alpha"`
		Weight float64
		A, B   [][]float32
	}
	Made []struct {
		How         string
		Density     float64
		Rank        int
		Delta, A, B [][]float32
	}
}

func fromRows(rows [][]float32) tensor.Matrix {
	return tensor.View(slices.Concat(rows...), len(rows), len(rows[0]))
}

// TestCombineAsPEFT combines LoRAs of a layer as PEFT does, within 1e-6: by A and B where these are summed, else by ΔW.
func TestCombineAsPEFT(t *testing.T) {
	var g combinedLoRAs
	golden.JSON(t, "../testdata/golden/combine.json", &g)
	l := bareLinear(g.Out, g.In, 1)
	s := sharedLayer{path: "proj", out: g.Out, in: g.In}
	for _, p := range g.Parts {
		a, err := newLora(lowRank{r: p.R, alpha: p.Alpha}, l, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		copy(op.Data(a.a).Data, fromRows(p.A).Data)
		copy(op.Data(a.b).Data, fromRows(p.B).Data)
		s.parts, s.of, s.weights = append(s.parts, Layer{l, a}), append(s.of, &Adapter{Name: p.Name}), append(s.weights, p.Weight)
	}
	for _, want := range g.Made {
		got, err := s.combine(CombineOptions{How: want.How, Density: want.Density, Rank: want.Rank})
		if err != nil {
			t.Fatal(err)
		}
		if want.How == "linear" || want.How == "ties" {
			golden.Close(t, want.How+" A", got.A.Data, fromRows(want.A).Data, 1e-6, true)
			golden.Close(t, want.How+" B", got.B.Data, fromRows(want.B).Data, 1e-6, true)
		}
		delta := tensor.New(g.Out, g.In)
		tensor.NN(delta, got.B, got.A, 0)
		golden.Close(t, want.How+" ΔW", delta.Data, fromRows(want.Delta).Data, 1e-6, true)
	}
}

// TestCombineOnAModel: cat of any methods and linear of MoRAs are Σ w·ΔW, the parts stay as they are, and a layer that one part
// lacks has the others'.
func TestCombineOnAModel(t *testing.T) {
	m := tinyModel(t, false)
	attached := func(name string, method Method) *Adapter {
		a := mustAttach(t, m, name, method)
		stirAll(a, uint64(len(name)))
		return a
	}
	some := func(names ...string) Common { return Common{TargetModules: Suffixes(names...)} }
	moraA, moraB := attached("mora-a", &MoRA{Common: some("q_proj", "up_proj"), R: 2, Type: Sharing}), attached("mora-bb", &MoRA{Common: some("up_proj", "v_proj"), R: 2, Type: Sharing})
	rslora, ten := attached("rslora", &LoRA{Common: some("q_proj"), R: 3, RSLoRA: true}), attached("mora-six", &MoRA{Common: some("q_proj"), R: 2})
	before := slices.Clone(op.Data(moraA.Params()[0].Param).Data)
	for name, c := range map[string]struct {
		parts  []Weighted
		o      CombineOptions
		method string
		exact  bool
	}{
		"linear of MoRAs":       {[]Weighted{{moraA, 0.5}, {moraB, -2}}, CombineOptions{How: "linear"}, "MoRA", true},
		"cat of several":        {[]Weighted{{moraA, 0.5}, {rslora, 3}, {ten, -1}}, CombineOptions{How: "cat"}, "LoRA", true},
		"svd of the full rank":  {[]Weighted{{rslora, 1}, {ten, 1}}, CombineOptions{How: "svd", Rank: 4096}, "LoRA", true},
		"svd of a small rank":   {[]Weighted{{rslora, 1}, {ten, 1}}, CombineOptions{How: "svd", Rank: 1}, "LoRA", false},
		"dare that keeps all":   {[]Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "dare", Density: 1}, "MoRA", true},
		"dare":                  {[]Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "dare", Density: 0.5}, "MoRA", false},
		"ties of LoRA and LoRA": {[]Weighted{{rslora, 1}, {rslora, 1}}, CombineOptions{How: "ties", Density: 0.5}, "LoRA", false},
	} {
		made, err := Combine(t.Context(), m, "combined", c.parts, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		worst, _, err := CombinationError(c.parts, made)
		if err != nil || (worst < 1e-5) != c.exact || !strings.HasPrefix(MethodName(made.Method), c.method) {
			t.Errorf("%s: a %s with error %g (%v)", name, MethodName(made.Method), worst, err)
		}
		made.Detach()
	}
	if !slices.Equal(before, op.Data(moraA.Params()[0].Param).Data) {
		t.Error("a part has changed")
	}
	biased := attached("whole", &LoRA{Common: Common{TargetModules: Suffixes("q_proj"), ModulesToSave: stringList{"lm_head"}}, R: 2})
	for want, c := range map[string]struct {
		parts []Weighted
		o     CombineOptions
	}{
		"did you mean linear":         {[]Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "liner"}},
		"ties wants a density":        {[]Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "ties"}},
		"density is for ties":         {[]Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "cat", Density: 0.5}},
		"rank is for svd":             {[]Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "cat", Rank: 1}},
		"MoRAs of one type":           {[]Weighted{{moraA, 1}, {ten, 1}}, CombineOptions{How: "linear"}},
		"use cat or svd":              {[]Weighted{{rslora, 1}, {ten, 1}}, CombineOptions{How: "linear"}},
		"no adapter is named":         {nil, CombineOptions{How: "cat"}},
		"trains lm_head.weight whole": {[]Weighted{{biased, 1}, {rslora, 1}}, CombineOptions{How: "cat"}},
	} {
		if _, err := Combine(t.Context(), m, "combined", c.parts, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := moraA.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Combine(t.Context(), m, "combined", []Weighted{{moraA, 1}, {moraB, 1}}, CombineOptions{How: "cat"}); !errors.Is(err, ErrMerged) {
		t.Errorf("a merged part: %v", err)
	}
}

// TestLargest checks which values ties keeps, and that dare keeps the mean.
func TestLargest(t *testing.T) {
	if got := largest([]float32{1, -3, 2, 0.5, 3}, 0.5); !slices.Equal(got, []float32{0, -3, 0, 0, 3}) {
		t.Errorf("kept %v", got)
	}
	values := make([]float32, 20000)
	for i := range values {
		values[i] = 2
	}
	sum, zeros := 0.0, 0
	for _, v := range dropped(values, 0.25, rand.New(rand.NewPCG(1, 2))) {
		if sum += float64(v); v == 0 {
			zeros++
		}
	}
	if mean := sum / 20000; mean < 1.9 || mean > 2.1 || zeros < 14500 || zeros > 15500 {
		t.Errorf("mean %g with %d zeros, want 2 with about 15,000", mean, zeros)
	}
}
