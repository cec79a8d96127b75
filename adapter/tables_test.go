package adapter

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// tableMethods are the methods that change tables, with rows of trained tokens among them.
var tableMethods = map[string]Method{
	"lora":        &LoRA{Common: Common{TargetModules: Suffixes("embed_tokens", "q_proj")}, R: 2},
	"lora random": &LoRA{Common: Common{TargetModules: Suffixes("embed_tokens")}, R: 2, Init: InitRandom, RSLoRA: true},
	"lora+":       &LoRAPlus{Common: Common{TargetModules: Suffixes("embed_tokens", "q_proj")}, R: 2},
	"dora":        &DoRA{Common: Common{TargetModules: TargetModules{Expr: `.*(embed_tokens|v_proj)`}}, R: 2},
	"tokens":      &LoRA{Common: Common{TargetModules: Suffixes("q_proj"), TrainableTokenIndices: TokenIndices{List: []int{7, 3, 30}}}, R: 1},
	"two modules": &LoRA{Common: Common{TargetModules: Suffixes("q_proj"),
		TrainableTokenIndices: TokenIndices{ByModule: Pattern[[]int]{{"embed_tokens", []int{7}}, {"lm_head", []int{3, 7}}}}}, R: 1},
}

// TestTables: adapters on embeddings start as nothing, are the same merged, saved and loaded, and come off to the last bit.
func TestTables(t *testing.T) {
	for name, method := range tableMethods {
		for _, tied := range []bool{false, true} {
			t.Run(fmt.Sprint(name, tied), func(t *testing.T) {
				m := tinyModel(t, tied)
				base, bits := run(t, m, ""), weightBits(m)
				a := mustAttach(t, m, "one", method)
				if !strings.Contains(name, "random") {
					golden.Close(t, "untrained", run(t, m, "one"), base, 1e-6, true)
				}
				stirAll(a, 1)
				want := run(t, m, "one")
				if golden.MaxAbs(want, base) < 1e-3 {
					t.Fatal("the adapter does nothing")
				}
				golden.Close(t, "base beside it", run(t, m, ""), base, 0, false)
				if err := a.Merge(t.Context()); err != nil {
					t.Fatal(err)
				}
				golden.Close(t, "merged", run(t, m, ""), want, 1e-4, true)
				a.Unmerge()
				if weightBits(m) != bits {
					t.Error("unmerged weights are not the same bits")
				}
				reload(t, m, a, want)
				dir := filepath.Join(t.TempDir(), "merged")
				if err := m.Save(t.Context(), dir, "one", ""); err != nil {
					t.Fatal(err)
				}
				saved := loadModel(t, dir)
				golden.Close(t, "folder saved with the adapter", run(t, saved, ""), want, 1e-4, true)
				if follows := tied && name == "tokens"; (saved.Head().Out.Weight.Tied() != nil) != follows {
					t.Errorf("the head is tied: %t, want %t", !follows, follows)
				}
				a.Detach()
				golden.Close(t, "detached", run(t, m, "one"), base, 0, false)
			})
		}
	}
}

// TestTableGradients compares the gradients of rows that are looked up with differences of Σ gy·W'[rows].
func TestTableGradients(t *testing.T) {
	for name, method := range tableMethods {
		t.Run(name, func(t *testing.T) {
			m := tinyModel(t, true)
			a := mustAttach(t, m, "one", method)
			stirAll(a, 1)
			rng := rand.New(rand.NewPCG(4, 5))
			rows := []int32{7, 3, 30, 7, -1, 12}
			gy := random(rng, len(rows), 20)
			m.Tables(func(w *model.Weight) {
				on := w.Adapter("one")
				if on == nil {
					t.Fatalf("%s has no adapter", w.Name)
				}
				on.GradRows(rows, gy)
				checkDirections(t, w.Name, rng, on, func() float64 {
					sum := 0.0
					row := make([]float32, 20)
					for i, id := range rows {
						if id < 0 {
							continue
						}
						w.Table("one").Block(row, 20, int(id), 0, 1, 20)
						for j, v := range row {
							sum += float64(v) * float64(gy.Row(i)[j])
						}
					}
					return sum
				})
			})
		})
	}
}

// TestTokensOfTheHead: the gradient of trained rows of an LM head, and their outputs, are those of the changed matrix.
func TestTokensOfTheHead(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "one", tableMethods["tokens"])
	stirAll(a, 1)
	on := m.Head().Out.Adapter("one")
	rng := rand.New(rand.NewPCG(4, 5))
	w, x, gy := dense(m.Head().Out.Weight.Source("")), random(rng, 5, 20), random(rng, 5, 31)
	on.Grad(x, gy)
	checkDirections(t, "Grad", rng, on, lossOf(w, on, x, gy))
	y, want := tensor.New(5, 31), tensor.New(5, 31)
	tensor.NT(y, x, w, 0)
	on.(model.OutputTransformer).TransformOutput(y, x)
	tensor.NT(want, x, folded(w, on), 0)
	golden.Close(t, "TransformOutput", y.Data, want.Data, 1e-5, true)
}

// TestTraining of embeddings, tokens and biases: a backward pass through the model gives every parameter its gradient.
func TestEverythingTrains(t *testing.T) {
	bert, err := model.New([]byte(`{"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 31, "hidden_size": 12, "intermediate_size": 20,
		"num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.2}`), model.Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	biased := mustAttach(t, bert, "biased", &LoRA{Common: Common{TargetModules: Suffixes("query")}, R: 1, Bias: "all"})
	if err := biased.onlyLayers(); err == nil || !strings.Contains(err.Error(), "bias trains ") {
		t.Errorf("biases are no plain LoRA: %v", err)
	}
	biased.Detach()
	type test struct {
		m      *model.Model
		method Method
	}
	tests := map[string]test{
		"biases":     {bert, &LoRA{Common: Common{TargetModules: Suffixes("query")}, R: 1, Bias: "all"}},
		"own biases": {bert, &VeRA{Common: Common{TargetModules: Suffixes("query", "output.dense")}, R: 2, Bias: "vera_only"}},
		"lora_bias":  {bert, &LoRA{Common: Common{TargetModules: Suffixes("query", "output.dense")}, R: 2, LoRABias: true, Bias: "lora_only", Dropout: 0.2}},
		"embeddings": {bert, &DoRA{Common: Common{TargetModules: Suffixes("word_embeddings", "position_embeddings", "query")}, R: 2}},
		"no bias":    {tinyModel(t, false), &LoRA{Common: Common{TargetModules: Suffixes("q_proj", "lm_head")}, R: 2, LoRABias: true}},
	}
	for name, method := range tableMethods {
		tests[name] = test{tinyModel(t, true), method}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := mustAttach(t, tt.m, name, tt.method)
			defer a.Detach()
			stirAll(a, 1)
			pass := &op.Pass{Grad: true, Train: true, Seed: 9, Adapter: name}
			defer pass.Release()
			b := &model.Batch{}
			for i := range 40 {
				b.IDs = append(b.IDs, int32(i*7%31))
				b.Labels = append(b.Labels, int32(i*7%31))
			}
			loss, err := tt.m.Loss(pass, b)
			if err == nil {
				err = pass.Backward(loss, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range a.Params() {
				// The bias of a key adds the same to all scores of a query: it has no gradient but what rounding makes.
				if g := op.Grad(p.Param).Data; golden.MaxAbs(g, make([]float32, len(g))) == 0 {
					t.Errorf("%s has no gradient", p.Name)
				}
			}
		})
	}
}

// TestLoRABias: a bias that LoRA adds is the same merged, where the layer has a bias, and is refused elsewhere.
func TestLoRABias(t *testing.T) {
	m := tinyModel(t, false)
	a := mustAttach(t, m, "a", &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2, LoRABias: true})
	stirAll(a, 1)
	reload(t, m, a, run(t, m, "a"))
	const want = "model.layers.0.self_attn.q_proj has no bias that could take up the adapter's (lora_bias)"
	if err := a.Merge(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if err := m.Save(t.Context(), filepath.Join(t.TempDir(), "m"), "a", ""); err == nil || !strings.Contains(err.Error(), "lora_bias") {
		t.Errorf("got %v", err)
	}
	if err := a.Restart(t.Context(), &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, R: 2}, 1); err == nil || !strings.Contains(err.Error(), "lora_bias") {
		t.Errorf("got %v", err)
	}
}

func TestTablesAreRefused(t *testing.T) {
	lora := func(c Common) *LoRA { return &LoRA{Common: c, R: 1} }
	q := Suffixes("q_proj")
	for _, tt := range []struct {
		method Method
		want   string
	}{
		{&MoRA{Common: Common{TargetModules: Suffixes("embed_tokens")}, R: 1}, `no layer matches "embed_tokens"`},
		{&LoRA{Common: Common{TargetModules: Suffixes("embed_tokens")}, R: 1, Init: InitPiSSA}, "model.embed_tokens: init_lora_weights pissa is for layers"},
		{&LoRA{Common: Common{TargetModules: Suffixes("embed_tokens")}, R: 1, LoRABias: true}, "lora_bias is for layers"},
		{lora(Common{TargetModules: q, TrainableTokenIndices: TokenIndices{List: []int{31}}}), "trainable_token_indices: model.embed_tokens has no row 31; the last one is 30"},
		{lora(Common{TargetModules: q, TrainableTokenIndices: TokenIndices{List: []int{-1}}}), "has no row -1"},
		{lora(Common{TargetModules: q, TrainableTokenIndices: TokenIndices{List: []int{4, 4}}}), "token 4 is there twice"},
		{lora(Common{TargetModules: q, TrainableTokenIndices: TokenIndices{ByModule: Pattern[[]int]{{"wte", []int{1}}}}}), `no module's path ends in "wte"`},
		{lora(Common{TargetModules: q, TrainableTokenIndices: TokenIndices{ByModule: Pattern[[]int]{{"embed_tokens", nil}}}}), "model.embed_tokens has no tokens"},
		{lora(Common{TargetModules: Suffixes("embed_tokens"), TrainableTokenIndices: TokenIndices{List: []int{1}}}), "model.embed_tokens is among target_modules or modules_to_save, too"},
		{lora(Common{TargetModules: q, ModulesToSave: []string{"embed_tokens"}, TrainableTokenIndices: TokenIndices{List: []int{1}}}), "model.embed_tokens is among target_modules or modules_to_save, too"},
		{lora(Common{TargetModules: Suffixes("q_proj", "lm_head"), TrainableTokenIndices: TokenIndices{List: []int{1}}}), "lm_head is among target_modules"},
		{lora(Common{TargetModules: q, ModulesToSave: []string{"proj"}}), "modules_to_save chooses model.layers.0.self_attn.q_proj, and so does target_modules"},
		{&LoRA{R: 1, Init: "eva"}, `init_lora_weights "eva" is a start of PEFT's, which only its files have`},
	} {
		m := tinyModel(t, true)
		if _, err := Attach(t.Context(), m, "a", tt.method, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		m.Tables(func(w *model.Weight) {
			if w.Adapter("a") != nil || w.Override("a") != nil {
				t.Errorf("%s has an adapter", w.Name)
			}
		})
	}
}
