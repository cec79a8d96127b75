package adapter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

const embedFile = "base_model.model.model.embed_tokens.weight"

// moved is a weight of a model with its first value changed, as a tensor.
func moved(m *model.Model, name string, by float32) (x checkpoint.Tensor) {
	m.Weights(func(w *model.Weight) {
		if w.Name == name {
			v := w.Values("")
			v[0] += by
			x = checkpoint.F32("", v, w.Shape...)
		}
	})
	return x
}

// TestSavedBase: a weight of the base in an adapter's file takes the base's place while the adapter is attached, and what
// is tied to it follows; one with the same values is passed over.
func TestSavedBase(t *testing.T) {
	for _, by := range []float32{0, 3} {
		for _, name := range []string{embedFile, strings.Replace(embedFile, "weight", "base_layer.weight", 1), "model.embed_tokens.weight"} {
			m := tinyModel(t, true)
			base, bits := run(t, m, ""), weightBits(m)
			dir := savedAdapter(t, smallLoRA())
			rewrite(t, dir, func(all map[string]checkpoint.Tensor) { all[name] = moved(m, "model.embed_tokens.weight", by) })
			a, err := Load(t.Context(), m, dir, "a")
			if err != nil {
				t.Fatal(err)
			}
			want := tinyModel(t, true)
			want.Weights(func(w *model.Weight) {
				if w.Name == "model.embed_tokens.weight" {
					v := w.Values("")
					v[0] += by
					w.SetValues(v)
				}
			})
			golden.Close(t, "the base", run(t, m, ""), run(t, want, ""), 0, false)
			if err := savedAgain(t, a, want); err != nil {
				t.Fatal(err)
			}
			if got := len(a.base); (got == 0) != (by == 0) {
				t.Errorf("%d weights of the base are replaced", got)
			}
			a.Detach()
			golden.Close(t, "the base after it", run(t, m, ""), base, 0, false)
			if weightBits(m) != bits {
				t.Error("detaching does not restore the weights")
			}
		}
	}
}

// savedAgain saves an adapter and loads it on another model, whose logits must be the same.
func savedAgain(t *testing.T, a *Adapter, on *model.Model) error {
	t.Helper()
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		return err
	}
	b, err := Load(t.Context(), tinyModel(t, true), dir, "b")
	if err != nil {
		return err
	}
	again, err := Load(t.Context(), on, dir, "a")
	if err != nil {
		return err
	}
	golden.Close(t, "saved again", run(t, b.model, "b"), run(t, on, "a"), 0, false)
	again.Detach()
	return nil
}

// TestForeignFiles: what others write beside an adapter's own tensors is read as PEFT reads it, or refused.
func TestForeignFiles(t *testing.T) {
	head := func() Method {
		c := smallLoRA().(*LoRA)
		c.ModulesToSave = stringList{"lm_head"}
		return c
	}
	const lm = "base_model.model.lm_head."
	tests := []struct {
		name   string
		method Method
		change func(m *model.Model, all map[string]checkpoint.Tensor)
		want   string // of the error
	}{
		{"the module beside its copy", head(), func(_ *model.Model, all map[string]checkpoint.Tensor) {
			all[lm+"original_module.weight"] = checkpoint.F32("", []float32{1}, 1)
			all[lm+"modules_to_save.default.weight"] = all[lm+"weight"]
		}, ""},
		{"two copies", head(), func(m *model.Model, all map[string]checkpoint.Tensor) {
			all[lm+"modules_to_save.weight"] = moved(m, "lm_head.weight", 1)
		}, lm + "weight is not the same as " + lm + "modules_to_save.weight"},
		{"no prefix", smallLoRA(), func(_ *model.Model, all map[string]checkpoint.Tensor) {
			for n, x := range all {
				delete(all, n)
				all[strings.TrimPrefix(n, prefix)] = x
			}
		}, ""},
		{"compiled", smallLoRA(), func(_ *model.Model, all map[string]checkpoint.Tensor) {
			for n, x := range all {
				delete(all, n)
				all["_orig_mod."+n] = x
			}
		}, ""},
		{"another layer", smallLoRA(), func(_ *model.Model, all map[string]checkpoint.Tensor) {
			all["base_model.model.model.layers.9.mlp.up_proj.weight"] = checkpoint.F32("", []float32{1}, 1)
		}, "unexpected base_model.model.model.layers.9.mlp.up_proj.weight"},
		{"a weight of another shape", smallLoRA(), func(_ *model.Model, all map[string]checkpoint.Tensor) {
			all["base_model.model.model.norm.weight"] = checkpoint.F32("", []float32{1}, 1)
		}, "base_model.model.model.norm.weight has shape [1], want [20]"},
		{"more tokens", smallLoRA(), func(_ *model.Model, all map[string]checkpoint.Tensor) {
			all[embedFile] = checkpoint.F32("", make([]float32, 33*20), 33, 20)
		}, embedFile + " has shape [33 20], want [31 20]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tinyModel(t, true)
			bits := weightBits(m)
			dir := savedAdapter(t, tt.method)
			rewrite(t, dir, func(all map[string]checkpoint.Tensor) { tt.change(m, all) })
			if tt.want != "" {
				refused(t, m, dir, tt.want)
				if weightBits(m) != bits {
					t.Error("the model is changed")
				}
				return
			}
			if _, err := Load(t.Context(), m, dir, "a"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestResidualHead: what PiSSA left of a head, which PEFT saves beside an adapter of the head, is not taken for the base's.
func TestResidualHead(t *testing.T) {
	dir := savedAdapter(t, &LoRA{Common: Common{TargetModules: Suffixes("lm_head")}, R: 2})
	m := tinyModel(t, true)
	rewrite(t, dir, func(all map[string]checkpoint.Tensor) {
		all["base_model.model.lm_head.base_layer.weight"] = moved(m, "lm_head.weight", 1)
	})
	a, err := Load(t.Context(), m, dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	a.Detach()
	path := filepath.Join(dir, configFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, path, strings.Replace(string(raw), `"init_lora_weights": true`, `"init_lora_weights": "pissa"`, 1))
	refused(t, m, dir, `lm_head.base_layer.weight is what init_lora_weights "pissa" left of the base's`)
}

// TestBiasesInFiles: biases have PEFT's names of today or of before, and a file may lack them.
func TestBiasesInFiles(t *testing.T) {
	const biased = `{"model_type": "llama", "vocab_size": 31, "hidden_size": 20, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 2,
		"max_position_embeddings": 64, "attention_bias": true, "initializer_range": 0.3}`
	load := func() *model.Model {
		m, err := model.New([]byte(biased), model.Options{Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const layer = "base_model.model.model.layers.0.self_attn.q_proj."
	for name, change := range map[string]func(all map[string]checkpoint.Tensor){
		"as written": func(_ map[string]checkpoint.Tensor) {},
		"old name": func(all map[string]checkpoint.Tensor) {
			all[layer+"bias"] = all[layer+"base_layer.bias"]
			delete(all, layer+"base_layer.bias")
		},
		"none": func(all map[string]checkpoint.Tensor) { delete(all, layer+"base_layer.bias") },
	} {
		m := load()
		a := mustAttach(t, m, "a", &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, Bias: "lora_only"})
		stirAll(a, 1)
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		rewrite(t, dir, change)
		b, err := Load(t.Context(), load(), dir, "a")
		if err != nil {
			t.Fatal(err)
		}
		if name == "none" {
			if len(b.copies) != 1 || golden.MaxAbs(b.copies[0].Values("a"), b.copies[0].Values("")) != 0 {
				t.Error("a bias that is not in the file is not the base's")
			}
			continue
		}
		golden.Close(t, name, run(t, b.model, "a"), run(t, m, "a"), 0, false)
	}
}

// TestOldFiles: adapter_model.bin is read where there is no adapter_model.safetensors.
func TestOldFiles(t *testing.T) {
	root := filepath.Join(golden.Repository(t), "testdata", "golden", "peft", "llama-tied")
	shapes, err := WeightShapes(filepath.Join(root, "torch"))
	if err != nil || len(shapes["model.layers.0.self_attn.q_proj.lora_A.weight"]) != 2 {
		t.Errorf("got %v, %v", shapes, err)
	}
	dir := savedAdapter(t, smallLoRA())
	if err := os.Rename(filepath.Join(dir, tensorFile), filepath.Join(dir, torchFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), tinyModel(t, true), dir, "a"); err != nil {
		t.Errorf("safetensors under the other name: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, torchFile)); err != nil {
		t.Fatal(err)
	}
	refused(t, tinyModel(t, true), dir, tensorFile)
}

// TestNameTaken: an adapter whose name is taken takes nothing of the other away.
func TestNameTaken(t *testing.T) {
	m := tinyModel(t, true)
	c := &LoRA{Common: Common{TargetModules: Suffixes("q_proj"), ModulesToSave: stringList{"model.norm"}, TrainableTokenIndices: TokenIndices{List: []int{3}}}, R: 2}
	a := mustAttach(t, m, "a", c)
	stirAll(a, 1)
	want := run(t, m, "a")
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"q_proj", "k_proj"} {
		other := *c
		other.TargetModules = Suffixes(change)
		if _, err := Attach(t.Context(), m, "a", &other, 1); err == nil {
			t.Error("attached twice")
		}
	}
	if _, err := Load(t.Context(), m, dir, "a"); err == nil {
		t.Error("loaded beside itself")
	}
	golden.Close(t, "the first", run(t, m, "a"), want, 0, false)
}
