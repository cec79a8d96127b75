package adapter

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// TestGoldenMoRA compares the operators with the reference implementation, scripts/golden/mora_ref.py.
func TestGoldenMoRA(t *testing.T) {
	for i, root := range golden.Roots(t, "mora") {
		var cases []struct {
			Name string          `json:"name"`
			In   int             `json:"in_features"`
			Out  int             `json:"out_features"`
			R    int             `json:"r"`
			Type json.RawMessage `json:"mora_type"`
			Side int             `json:"side"`
		}
		golden.JSON(t, filepath.Join(root, "cases.json"), &cases)
		file := golden.Open(t, filepath.Join(root, "mora.safetensors"))
		for _, c := range cases {
			name := c.Name
			if i > 0 {
				name += "~2"
			}
			t.Run(name, func(t *testing.T) {
				var kind MoRAType
				if err := kind.UnmarshalJSON(c.Type); err != nil {
					t.Fatal(err)
				}
				a := bare(t, &MoRA{Common: Common{TargetModules: AllLinear}, R: c.R, Type: kind}, c.Out, c.In)
				if got := a.(*mora).q; got != c.Side {
					t.Fatalf("r̂ is %d, want %d", got, c.Side)
				}
				get := func(what string, rows, cols int) tensor.Matrix {
					return tensor.View(file.Float32(t, c.Name+"."+what), rows, cols)
				}
				copy(op.Data(a.(*mora).m).Data, get("M", c.Side, c.Side).Data)
				rows := len(file.Float32(t, c.Name+".x")) / c.In
				x, dy := get("x", rows, c.In), get("dy", rows, c.Out)
				y, dx, w := tensor.New(rows, c.Out), tensor.New(rows, c.In), tensor.New(c.Out, c.In)
				a.(*mora).Forward(y, x)
				a.(*mora).Backward(dx, dy)
				a.Grad(x, dy)
				a.MergeInto(w, 0, 0)
				golden.Close(t, "y", y.Data, file.Float32(t, c.Name+".y"), 1e-4, true)
				golden.Close(t, "dx", dx.Data, file.Float32(t, c.Name+".dx"), 1e-4, true)
				golden.Close(t, "dM", op.Grad(a.(*mora).m).Data, file.Float32(t, c.Name+".dM"), 1e-4, true)
				if file.Has(c.Name + ".delta") {
					golden.Close(t, "delta", w.Data, file.Float32(t, c.Name+".delta"), 1e-4, true)
				}
				tensor.NT(y, x, w, 0)
				golden.Close(t, "y through MergeInto", y.Data, file.Float32(t, c.Name+".y"), 1e-4, true)
			})
		}
	}
}

// TestGoldenPEFT opens adapters that PEFT and the published MoRA code wrote.
func TestGoldenPEFT(t *testing.T) {
	for _, base := range golden.Cases(t, "peft") {
		entries, err := os.ReadDir(base.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, err := os.Stat(base.Path(e.Name(), configFile)); err != nil {
				continue
			}
			t.Run(base.Name+"/"+e.Name(), func(t *testing.T) { testPEFT(t, base.Path("base"), base.Path(e.Name())) })
		}
	}
}

func testPEFT(t *testing.T, base, dir string) {
	m := loadModel(t, base)
	io := golden.Open(t, filepath.Join(dir, "io.safetensors"))
	a, err := Load(t.Context(), m, dir, "golden")
	if err != nil {
		t.Fatal(err)
	}
	want, merged := io.Float32(t, "logits"), io.Float32(t, "merged_logits")
	closeLogits(t, "logits", io, m, "golden", want)
	before := weightBits(m)
	closeOff(t, "base", io, m, want)

	saved := t.TempDir()
	if err := a.Save(saved); err != nil {
		t.Fatal(err)
	}
	if c, ok := a.Method.(*LoRA); !ok || !c.Init.residual() { // these are saved as a LoRA of twice the rank
		sameTensors(t, filepath.Join(dir, tensorFile), filepath.Join(saved, tensorFile))
		sameConfig(t, filepath.Join(dir, configFile), filepath.Join(saved, configFile))
	}

	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeLogits(t, "merged logits", io, m, "", merged)
	closeLogits(t, "merged logits, adapter named", io, m, "golden", merged)
	a.Unmerge()
	if got := weightBits(m); got != before {
		t.Error("unmerged weights are not the same bits")
	}
	closeLogits(t, "logits after unmerging", io, m, "golden", want)
	a.Detach()
	if _, err := Load(t.Context(), m, saved, "again"); err != nil {
		t.Fatal(err)
	}
	closeLogits(t, "logits of the saved adapter", io, m, "again", want)

	full := filepath.Join(t.TempDir(), "merged")
	if err := m.Save(t.Context(), full, "again", ""); err != nil {
		t.Fatal(err)
	}
	closeLogits(t, "logits of the merged folder", io, loadModel(t, full), "", merged)
}

func loadModel(t testing.TB, dir string) *model.Model {
	t.Helper()
	m, err := model.Load(t.Context(), dir, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// logits runs the rows of a golden file without their padding.
func logits(t *testing.T, io *golden.File, m *model.Model, name string, f func(row, n int, y tensor.Matrix)) {
	t.Helper()
	shape := io.Shape(t, "input_ids")
	ids := io.Int(t, "input_ids")
	mask := make([]int, len(ids))
	for i := range mask {
		mask[i] = 1
	}
	if io.Has("attention_mask") {
		mask = io.Int(t, "attention_mask")
	}
	for r := range shape[0] {
		b := &model.Batch{}
		for i := range shape[1] {
			if mask[r*shape[1]+i] == 1 {
				b.IDs = append(b.IDs, int32(ids[r*shape[1]+i]))
			}
		}
		tape := &op.Pass{}
		tape.Adapter = name
		y, err := m.Logits(tape, b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		f(r, shape[1], y)
		tape.Release()
	}
}

func largestOff(t *testing.T, io *golden.File, m *model.Model, name string, want []float32) float64 {
	t.Helper()
	worst := 0.0
	logits(t, io, m, name, func(row, n int, y tensor.Matrix) {
		from := row * n * y.Cols
		d := golden.MaxAbs(y.Data, want[from:from+len(y.Data)])
		if !(d <= worst) {
			worst = d
		}
	})
	return worst
}

func closeLogits(t *testing.T, what string, io *golden.File, m *model.Model, name string, want []float32) {
	t.Helper()
	if d := largestOff(t, io, m, name, want); !(d <= 2e-4) {
		t.Errorf("%s are %g off, more than 2e-4", what, d)
	}
}

// closeOff checks that the adapter does something at all.
func closeOff(t *testing.T, what string, io *golden.File, m *model.Model, want []float32) {
	t.Helper()
	if d := largestOff(t, io, m, "", want); d <= 2e-4 {
		t.Errorf("%s: the logits without the adapter are only %g off", what, d)
	}
}

// weightBits is a checksum of all weights, as a pass without adapter sees them.
func weightBits(m *model.Model) uint64 {
	h := uint64(14695981039346656037)
	m.Weights(func(w *model.Weight) {
		for _, v := range w.Values("") {
			h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
		}
	})
	return h
}

func sameTensors(t *testing.T, want, got string) {
	t.Helper()
	w, g := golden.Open(t, want), golden.Open(t, got)
	if a, b := len(w.Names()), len(g.Names()); a != b {
		t.Errorf("saved %d tensors, want %d", b, a)
	}
	for _, n := range w.Names() {
		if !g.Has(n) {
			t.Errorf("saved file lacks %s", n)
			continue
		}
		golden.Close(t, n, g.Float32(t, n), w.Float32(t, n), 0, false)
	}
}

// sameConfig checks that every key that was written has the value that was read, and that no other key was true.
func sameConfig(t *testing.T, want, got string) {
	t.Helper()
	var w, g map[string]any
	golden.JSON(t, want, &w)
	golden.JSON(t, got, &g)
	if w["base_model_name_or_path"] == nil {
		delete(g, "base_model_name_or_path") // Save fills it in
	}
	for k, v := range g {
		a, _ := json.Marshal(v)
		b, _ := json.Marshal(w[k])
		if string(a) != string(b) {
			t.Errorf("%s is %s, want %s", k, a, b)
		}
	}
	for k, v := range w {
		if _, ok := g[k]; !ok && v == true {
			t.Errorf("%s is lost", k)
		}
	}
}
