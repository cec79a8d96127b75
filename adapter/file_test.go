package adapter

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// savedAdapter saves an adapter on tinyModel, with other values than at the start, and returns its folder.
func savedAdapter(t *testing.T, method Method) string {
	t.Helper()
	a := mustAttach(t, tinyModel(t, true), "a", method)
	stirAll(a, 1)
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rewrite changes the tensors of a saved adapter.
func rewrite(t *testing.T, dir string, change func(all map[string]checkpoint.Tensor)) {
	t.Helper()
	path := filepath.Join(dir, tensorFile)
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]checkpoint.Tensor{}
	for _, n := range c.Names() {
		all[n], _ = c.Get(n)
	}
	change(all)
	var tensors []checkpoint.Tensor
	for n, x := range all {
		x.Name = n
		tensors = append(tensors, x)
	}
	if err := checkpoint.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

const (
	qA = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
	qB = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
)

func smallLoRA() Method {
	return &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, Alpha: 4}
}

func smallMoRA() Method {
	return &MoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, Type: Rotation}
}

func TestLoadRefuses(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name   string
		method Method
		change func(all map[string]checkpoint.Tensor)
		want   string
	}{
		{"missing", smallLoRA(), func(all map[string]checkpoint.Tensor) { delete(all, qA) }, "missing " + qA},
		{"unexpected", smallLoRA(), func(all map[string]checkpoint.Tensor) { all["x"] = checkpoint.F32("", []float32{1}, 1) }, "unexpected x"},
		{"shape", smallLoRA(), func(all map[string]checkpoint.Tensor) { all[qA] = checkpoint.F32("", make([]float32, 42), 2, 21) }, qA + " has shape [2 21], want [2 20]"},
		{"no values", smallLoRA(), func(all map[string]checkpoint.Tensor) { all[qA] = checkpoint.F32("", nil, 0) }, qA + " has shape [0], want [2 20]"},
		{"DoRA without magnitudes", &DoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2}, func(all map[string]checkpoint.Tensor) {
			for name := range all {
				if strings.HasSuffix(name, magnitude) {
					delete(all, name)
				}
			}
		}, "missing " + strings.Replace(qA, "lora_A.weight", magnitude, 1)},
		{"NaN", smallLoRA(), func(all map[string]checkpoint.Tensor) {
			v := make([]float32, 40)
			v[7] = nan
			all[qA] = checkpoint.F32("", v, 2, 20)
		}, qA + " holds NaN"},
		{"type", smallLoRA(), func(all map[string]checkpoint.Tensor) { all[qA] = checkpoint.I64("", make([]int64, 40), 2, 20) }, "I64"},
		{"all at once", smallLoRA(), func(all map[string]checkpoint.Tensor) {
			all["x"] = all[qA]
			delete(all, qA)
		}, "missing " + qA + "; unexpected x"},
		{"two matrices", smallMoRA(), func(all map[string]checkpoint.Tensor) {
			n := all[qB].Shape[0]
			all[qB] = checkpoint.F32("", make([]float32, n*n), n, n)
		}, qB + " is not the same matrix"},
		{"no matrix", smallMoRA(), func(all map[string]checkpoint.Tensor) {
			delete(all, qA)
			delete(all, qB)
		}, "missing " + qA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := savedAdapter(t, tt.method)
			rewrite(t, dir, tt.change)
			refused(t, tinyModel(t, true), dir, tt.want)
		})
	}
}

// TestLoadTakesNoMemoryForAWrongRank: settings with a rank that is not the file's are refused before layers of that rank are made.
func TestLoadTakesNoMemoryForAWrongRank(t *testing.T) {
	dir := savedAdapter(t, &LoRA{R: 2})
	path := filepath.Join(dir, configFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte(`"r": 2`), []byte(`"r": 65536`), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refused(t, tinyModel(t, true), dir, " has shape [2 37], want [65536 37]")
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 128<<20 {
		t.Errorf("%d MiB were taken", taken>>20)
	}
}

// refused checks that Load refuses a folder with an error of one line, and leaves the model alone.
func refused(t *testing.T, m *model.Model, dir, want string) {
	t.Helper()
	_, err := Load(t.Context(), m, dir, "a")
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %s", err, want)
	}
	m.Linears(func(l *model.Linear) {
		if l.Adapter("a") != nil {
			t.Errorf("%s has an adapter", l.Path())
		}
	})
}

func TestLoadRefusesFolders(t *testing.T) {
	m := tinyModel(t, true)
	refused(t, m, filepath.Join(t.TempDir(), "no"), "no such folder")
	refused(t, m, t.TempDir(), "adapter_config.json")

	dir := savedAdapter(t, smallLoRA())
	if err := os.Remove(filepath.Join(dir, tensorFile)); err != nil {
		t.Fatal(err)
	}
	refused(t, m, dir, "adapter_model.safetensors")

	dir = savedAdapter(t, smallLoRA())
	if err := os.Truncate(filepath.Join(dir, tensorFile), 700); err != nil {
		t.Fatal(err)
	}
	refused(t, m, dir, "adapter_model.safetensors")

	dir = savedAdapter(t, smallLoRA())
	if err := os.WriteFile(filepath.Join(dir, configFile), []byte(`{"peft_type": "LORA", "r": 2`), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, m, dir, "adapter_config.json: unexpected end of JSON input")
}

// TestAnotherModel: an adapter is not put on a model of another shape.
func TestAnotherModel(t *testing.T) {
	other, err := model.New([]byte(`{"model_type": "llama", "vocab_size": 31, "hidden_size": 24, "intermediate_size": 40,
		"num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 64}`), model.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, other, savedAdapter(t, smallLoRA()), "does not fit its settings and this model: "+qA+" has shape [2 20], want [2 24]")
	refused(t, other, savedAdapter(t, smallMoRA()), "has shape [8 8], want ")
}

// TestForms: Load reads what others write: half types, MoRA's matrix under only one of its names, and PEFT's inner names.
func TestForms(t *testing.T) {
	dir := savedAdapter(t, smallMoRA())
	rewrite(t, dir, func(all map[string]checkpoint.Tensor) { delete(all, qA) })
	if _, err := Load(t.Context(), tinyModel(t, true), dir, "a"); err != nil {
		t.Error(err)
	}

	lora := smallLoRA().(*LoRA)
	lora.ModulesToSave = stringList{"lm_head"}
	dir = savedAdapter(t, lora)
	var want []float32
	rewrite(t, dir, func(all map[string]checkpoint.Tensor) {
		a, b := all[qA], all[qB]
		want, _ = a.Float32s()
		half, _ := b.Float32s()
		all[qA] = checkpoint.BF16FromFloat32("", want, a.Shape...)
		all[qB] = checkpoint.F16FromFloat32("", half, b.Shape...)
		all["base_model.model.lm_head.modules_to_save.weight"] = all["base_model.model.lm_head.weight"]
		delete(all, "base_model.model.lm_head.weight")
	})
	a, err := Load(t.Context(), tinyModel(t, true), dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "A in bf16", op.Data(a.Params()[0].Param).Data, want, 1.0/128, true)
}

func TestSaveRefuses(t *testing.T) {
	a := mustAttach(t, tinyModel(t, true), "a", smallLoRA())
	op.Data(a.Params()[1].Param).Data[3] = float32(math.Inf(1))
	dir := filepath.Join(t.TempDir(), "out")
	if err := a.Save(dir); err == nil || !strings.Contains(err.Error(), qB+" holds +Inf") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	if err := a.Merge(t.Context()); err == nil || !strings.Contains(err.Error(), "would hold NaN") {
		t.Errorf("got %v", err)
	}
	op.Data(a.Params()[1].Param).Data[3] = 0
	file := filepath.Join(t.TempDir(), "file")
	if err := checkpoint.AtomicFile(file, func(io.Writer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := a.Save(filepath.Join(file, "below")); err == nil {
		t.Error("saved below a file")
	}
}

// FuzzTensors attaches an adapter with a damaged file of tensors: it is refused, or all that trains is finite.
func FuzzTensors(f *testing.F) {
	m := tinyModel(f, true)
	a := mustAttach(f, m, "a", smallLoRA())
	dir := f.TempDir()
	err := a.Save(dir)
	a.Detach()
	if err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, tensorFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := checkpoint.OpenReader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		a := &Adapter{Name: "a", Method: smallLoRA(), model: m}
		defer a.Detach()
		if err := a.fromFile(t.Context(), storedIn(file)); err != nil {
			return
		}
		for _, x := range a.tensors() {
			if notFinite(x.values()) >= 0 {
				t.Errorf("%s is not finite", x.Name)
			}
		}
	})
}
