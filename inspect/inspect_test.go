package inspect

import (
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestAdapters checks the name and the rank of every method.
func TestAdapters(t *testing.T) {
	base := golden.Cases(t, "peft")[0].Path("base")
	for _, tt := range []struct {
		method     adapter.Method
		name       string
		rank, rhat int
	}{
		{&adapter.LoRA{R: 3, RSLoRA: true}, "rsLoRA", 3, 0},
		{&adapter.LoRA{R: 3, Init: adapter.InitPiSSA}, "PiSSA", 3, 0},
		{&adapter.LoRAPlus{R: 3}, "LoRA+", 3, 0},
		{&adapter.AsyLoRA{R: 3}, "AsyLoRA", 3, 0},
		{&adapter.DoRA{R: 3}, "DoRA", 3, 0},
		{&adapter.LoRAXS{R: 3}, "LoRA-XS", 3, 0},
		{&adapter.AdaLoRA{InitR: 3, TargetR: 2}, "AdaLoRA", 3, 0},
		{&adapter.VeRA{R: 3}, "VeRA", 3, 0},
		{&adapter.MoRA{R: 1, Type: adapter.Sharing}, "MoRA, sharing", 0, 8},
		{&adapter.IA3{}, "IA³", 0, 0},
	} {
		tt.method.Settings().TargetModules = adapter.Suffixes("q_proj")
		a, err := adapter.Attach(t.Context(), tiny.Load(t, base), infer.AdapterName, tt.method, 1)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		i, err := Folder(t.Context(), dir, base)
		if err != nil {
			t.Fatal(err)
		}
		got := i.Adapter
		if got.Method != tt.name || len(got.Layers) != 1 || got.Layers[0].R != tt.rank || got.Layers[0].RHat != tt.rhat {
			t.Errorf("got %s %+v, want %s, r %d, r̂ %d", got.Method, got.Layers, tt.name, tt.rank, tt.rhat)
		}
	}
}

// TestTensors: the tensors have all parameters, those of experts too, in the types in which they are stored.
func TestTensors(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		i, err := Folder(t.Context(), c.Dir, "")
		if err != nil {
			t.Fatal(err)
		}
		sum, types := 0, map[string]bool{}
		for _, g := range i.Model.Tensors {
			sum += g.Parameters
			types[string(g.DType)] = true
		}
		if sum != i.Model.Parameters {
			t.Errorf("%s: tensors of %d parameters, the model has %d", c.Name, sum, i.Model.Parameters)
		}
		if c.Name == "gpt-oss-mxfp4" && !(types["MXFP4"] && types["F32"] && len(types) == 2) {
			t.Errorf("%s: types %v", c.Name, types)
		}
	}
}
