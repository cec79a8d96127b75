package adapter

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
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
		sameTensors(t, m, dir, saved)
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
		n := shape[1]
		if io.Has("labels") { // the target's tokens have the rows
			n = io.Shape(t, "labels")[1]
			for _, id := range io.Int(t, "labels")[r*n : (r+1)*n] {
				b.Labels = append(b.Labels, int32(id))
			}
		}
		if m.Head().Kind == head.SequenceClassification {
			n = 1
		}
		tape := &op.Pass{}
		tape.Adapter = name
		y, err := m.Logits(tape, b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		f(r, n, y)
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
	if d := largestOff(t, io, m, name, want); !(d <= 1e-4) {
		t.Errorf("%s are %g off, more than 1e-4", what, d)
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

// sameTensors checks that the tensors that were written have the values of those that were read, under their plain names,
// and that what was read and not written is what the model has anyway.
func sameTensors(t *testing.T, m *model.Model, want, got string) {
	t.Helper()
	w, g := values(t, want), values(t, got)
	own := map[string][]float32{}
	m.Weights(func(x *model.Weight) { own[x.Name] = x.Values("golden") })
	for n, v := range w {
		switch {
		case g[n] != nil:
			golden.Close(t, n, g[n], v, 0, false)
		case own[n] == nil && !strings.HasSuffix(n, "lm_head.trainable_tokens_delta"): // which follows the embeddings'
			t.Errorf("saved file lacks %s", n)
		case own[n] != nil:
			golden.Close(t, n, own[n], v, 0, false)
		}
	}
	for n := range g {
		if w[n] == nil {
			t.Errorf("saved file has %s, too", n)
		}
	}
}

// values are the tensors of an adapter's folder by their plain names.
func values(t *testing.T, dir string) map[string][]float32 {
	t.Helper()
	file, err := openTensors(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	all := map[string][]float32{}
	for n := range file.names {
		x, _ := file.get(n)
		if all[n], err = x.Float32s(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// sameConfig checks that every key that was written has the value that was read, and that no other key was true. Modules
// to save are written by their full names, and a task_type that is missing is the model's.
func sameConfig(t *testing.T, want, got string) {
	t.Helper()
	var w, g map[string]any
	golden.JSON(t, want, &w)
	golden.JSON(t, got, &g)
	if w["base_model_name_or_path"] == nil {
		delete(g, "base_model_name_or_path") // Save fills it in
	}
	if w["task_type"] == nil {
		delete(g, "task_type")
	}
	if names, _ := w["modules_to_save"].([]any); names != nil {
		full, _ := g["modules_to_save"].([]any)
		for _, n := range full {
			if !slices.ContainsFunc(names, func(end any) bool { return strings.HasSuffix(n.(string), end.(string)) }) {
				t.Errorf("modules_to_save has %s; the file had %s", n, names)
			}
		}
		delete(g, "modules_to_save")
	}
	for k, v := range g {
		a, _ := json.Marshal(v)
		if _, list := v.([]any); list && w[k] != nil && strings.HasPrefix(k, "layers_") {
			if _, list := w[k].([]any); !list { // one is as good as a list of one
				w[k] = []any{w[k]}
			}
		}
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
