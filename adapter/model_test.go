package adapter

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// tinyModel has odd sizes: 20 hidden, 37 in the feed-forward part.
func tinyModel(t testing.TB, tied bool) *model.Model {
	t.Helper()
	m, err := model.New([]byte(fmt.Sprintf(`{"model_type": "llama", "vocab_size": 31, "hidden_size": 20, "intermediate_size": 37,
		"num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 6, "initializer_range": 0.3,
		"max_position_embeddings": 64, "tie_word_embeddings": %t}`, tied)), model.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run computes the model's logits with an adapter.
func run(t testing.TB, m *model.Model, name string) []float32 {
	t.Helper()
	tape := &op.Pass{}
	defer tape.Release()
	tape.Adapter = name
	b := &model.Batch{}
	for i := range 40 {
		b.IDs = append(b.IDs, int32(i*7%31))
	}
	y, err := m.Logits(tape, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y.Data)
}

// stirAll adds small numbers to all parameters.
func stirAll(a *Adapter, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	for _, p := range a.Params() {
		m := op.Data(p.Param)
		for i, v := range random(rng, m.Rows, m.Cols).Data {
			m.Data[i] += 0.1 * v
		}
	}
	a.ParamsChanged()
}

func mustAttach(t testing.TB, m *model.Model, name string, method Method) *Adapter {
	t.Helper()
	a, err := Attach(t.Context(), m, name, method, 42)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOnModel(t *testing.T) {
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		m := tinyModel(t, false)
		base, bits := run(t, m, ""), weightBits(m)
		a := mustAttach(t, m, "one", newMethod(map[string]any{"r": 1}))
		golden.Close(t, "untrained", run(t, m, "one"), base, 0, false)
		stirAll(a, 1)
		one := run(t, m, "one")
		if golden.MaxAbs(one, base) < 1e-3 {
			t.Fatal("the adapter does nothing")
		}
		b := mustAttach(t, m, "two", newMethod(map[string]any{"r": 1, "target_modules": []string{"down_proj", "q_proj"}}))
		stirAll(b, 2)
		two := run(t, m, "two")
		golden.Close(t, "one beside two", run(t, m, "one"), one, 0, false)
		golden.Close(t, "base beside both", run(t, m, ""), base, 0, false)

		for range 2 {
			if err := a.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "merged", run(t, m, ""), one, 1e-4, true)
			if a.Merge(t.Context()) == nil {
				t.Error("merged twice")
			}
			a.Unmerge()
			a.Unmerge()
			if weightBits(m) != bits {
				t.Error("unmerged weights are not the same bits")
			}
			golden.Close(t, "unmerged", run(t, m, "one"), one, 0, false)
			golden.Close(t, "the other, unmerged", run(t, m, "two"), two, 0, false)
		}
		reload(t, m, a, one)
		a.Detach()
		golden.Close(t, "detached", run(t, m, "one"), base, 0, false)
		golden.Close(t, "the other", run(t, m, "two"), two, 0, false)
	})
}

// reload saves an adapter and loads it under another name: parameters, settings and logits must be the same.
func reload(t *testing.T, m *model.Model, a *Adapter, logits []float32) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deep", "adapter")
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	b, err := Load(t.Context(), m, dir, "again")
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range a.Params() {
		q := b.Params()[i]
		if p.Name != q.Name || !slices.Equal(op.Data(p.Param).Data, op.Data(q.Param).Data) {
			t.Errorf("%s has other values after loading", p.Name)
		}
	}
	golden.Close(t, "loaded", run(t, m, "again"), logits, 0, false)
	one, _ := encode(a.written())
	two, _ := encode(b.written())
	if string(one) != string(two) {
		t.Errorf("settings were\n%s\nand are\n%s", one, two)
	}
	b.Detach()
}

// TestTokenByToken: a pass over one token, which applies the adapter apart from the weight, has the logits of a pass over
// all tokens.
func TestTokenByToken(t *testing.T) {
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		m := tinyModel(t, true)
		stirAll(mustAttach(t, m, "one", newMethod(map[string]any{"r": 1})), 1)
		whole := run(t, m, "one")
		var steps []float32
		cache := m.NewCache(1)
		for i := range 40 {
			tape := &op.Pass{}
			tape.Adapter = "one"
			y, err := m.Logits(tape, &model.Batch{IDs: []int32{int32(i * 7 % 31)}}, nil, cache)
			if err != nil {
				t.Fatal(err)
			}
			steps = append(steps, y.Data...)
			tape.Release()
		}
		golden.Close(t, "logits", steps, whole, 1e-4, true)
	})
}

// TestSeed: what an adapter draws depends on the seed and the layer alone.
func TestSeed(t *testing.T) {
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		m := tinyModel(t, true)
		all := map[string][]float32{}
		for _, p := range mustAttach(t, m, "all", newMethod(map[string]any{"r": 1, "init_lora_weights": false, "target_modules": "all-linear"})).Params() {
			all[p.Name] = op.Data(p.Param).Data
		}
		some := mustAttach(t, m, "some", newMethod(map[string]any{"r": 1, "init_lora_weights": false, "target_modules": []string{"up_proj"}}))
		for _, p := range some.Params() {
			if !slices.Equal(all[p.Name], op.Data(p.Param).Data) {
				t.Errorf("%s depends on other layers", p.Name)
			}
		}
		other, err := Attach(t.Context(), m, "other", newMethod(map[string]any{"r": 1, "init_lora_weights": false, "target_modules": "all-linear"}), 43)
		if err != nil {
			t.Fatal(err)
		}
		if p := other.Params()[0]; slices.Equal(all[p.Name], op.Data(p.Param).Data) {
			t.Error("the seed changes nothing")
		}
	})
}

func TestModulesToSave(t *testing.T) {
	for _, tied := range []bool{false, true} {
		for _, modules := range [][]string{{"lm_head"}, {"embed_tokens"}, {"model.norm", "input_layernorm"}, {"embed_tokens", "lm_head"}, {"layers.1.mlp"}} {
			t.Run(fmt.Sprint(modules, tied), func(t *testing.T) {
				m := tinyModel(t, tied)
				base := run(t, m, "")
				a := mustAttach(t, m, "a", &LoRA{Common: Common{TargetModules: Suffixes("q_proj", "down_proj"), ModulesToSave: modules}, R: 2, Alpha: 2})
				golden.Close(t, "untrained", run(t, m, "a"), base, 0, false)
				stirAll(a, 1)
				want := run(t, m, "a")
				golden.Close(t, "base", run(t, m, ""), base, 0, false)
				for i, w := range a.tensors() {
					if i >= 2*len(a.layers) && !slices.ContainsFunc(modules, func(s string) bool { return inModules(w.Name, []string{s}) }) {
						n, _, _ := cutLast(w.Name)
						if !inModules(n, modules) {
							t.Errorf("copied %s", w.Name)
						}
					}
				}
				reload(t, m, a, want)
				if err := a.Merge(t.Context()); err != nil {
					t.Fatal(err)
				}
				golden.Close(t, "merged", run(t, m, ""), want, 1e-4, true)
				dir := filepath.Join(t.TempDir(), "merged")
				if err := m.Save(t.Context(), dir, "", ""); err != nil {
					t.Fatal(err)
				}
				golden.Close(t, "merged folder", run(t, loadModel(t, dir), ""), want, 1e-4, true)
				a.Unmerge()
				golden.Close(t, "unmerged", run(t, m, ""), base, 0, false)
				dir = filepath.Join(t.TempDir(), "merged")
				if err := m.Save(t.Context(), dir, "a", ""); err != nil {
					t.Fatal(err)
				}
				golden.Close(t, "folder saved with the adapter", run(t, loadModel(t, dir), ""), want, 1e-4, true)
				a.Detach()
				golden.Close(t, "detached", run(t, m, "a"), base, 0, false)
			})
		}
	}
}

// TestOnHead: an adapter on a tied LM head leaves the embeddings alone.
func TestOnHead(t *testing.T) {
	m := tinyModel(t, true)
	bits := weightBits(m)
	a := mustAttach(t, m, "a", &MoRA{Common: Common{TargetModules: Suffixes("lm_head")}, R: 2, Init: InitRandom, Type: Sharing})
	want := run(t, m, "a")
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "merged", run(t, m, ""), want, 1e-4, true)
	dir := filepath.Join(t.TempDir(), "merged")
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "merged folder", run(t, loadModel(t, dir), ""), want, 1e-4, true)
	a.Detach()
	if weightBits(m) != bits {
		t.Error("detaching does not restore the weights")
	}
}

// TestDetached: an adapter that was detached leaves another one of its name alone, and is not merged.
func TestDetached(t *testing.T) {
	m := tinyModel(t, false)
	base := run(t, m, "")
	method := &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, Init: InitGaussian}
	a := mustAttach(t, m, "a", method)
	a.Detach()
	b := mustAttach(t, m, "a", method)
	a.Detach()
	if !m.HasAdapter("a") {
		t.Error("the second adapter is gone")
	}
	if err := a.Merge(t.Context()); err == nil || !strings.Contains(err.Error(), "detached") {
		t.Errorf("merged: %v", err)
	}
	golden.Close(t, "base", run(t, m, ""), base, 0, false)
	b.Detach()
}

// TestTraining runs a backward pass through the model, also with dropout: every parameter gets a gradient.
func TestTraining(t *testing.T) {
	each(t, func(t *testing.T, newMethod func(map[string]any) Method) {
		for _, dropout := range []float64{0, 0.3} {
			m := tinyModel(t, true)
			a := mustAttach(t, m, "a", newMethod(map[string]any{"r": 1, "lora_dropout": dropout, "modules_to_save": []string{"lm_head"}}))
			stirAll(a, 1)
			tape := &op.Pass{Grad: true}
			tape.Adapter, tape.Train, tape.Seed = "a", true, 9
			b := &model.Batch{}
			for i := range 40 {
				b.IDs = append(b.IDs, int32(i*7%31))
				b.Labels = append(b.Labels, int32(i*7%31))
			}
			loss, err := m.Loss(tape, b)
			if err != nil {
				t.Fatal(err)
			}
			if err := tape.Backward(loss, 1); err != nil {
				t.Fatal(err)
			}
			tape.Release()
			for _, p := range a.Params() {
				if g := op.Grad(p.Param).Data; golden.MaxAbs(g, tensor.New(1, len(g)).Data) == 0 {
					t.Errorf("dropout %g: %s has no gradient", dropout, p.Name)
				}
			}
		}
	})
}
