package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// tiny is a model with random weights.
func tiny() *model.Model {
	m, err := model.New([]byte(`{"model_type": "llama", "vocab_size": 256, "hidden_size": 64, "intermediate_size": 160,
		"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": true}`), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// train stands in for a training: it moves all parameters.
func train(a *adapter.Adapter) {
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] += float32(i%5-2) / 20
		}
	}
	a.ParamsChanged()
}

// A literal is a method: what it leaves out has PEFT's defaults. This one puts MoRA on two projections of every layer.
func ExampleAttach() {
	a, err := adapter.Attach(context.Background(), tiny(), "mine", &adapter.MoRA{
		Common: adapter.Common{TargetModules: adapter.Suffixes("q_proj", "down_proj")},
		R:      8,
	}, 42)
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range a.Describe() {
		fmt.Println(line)
	}
	// Output:
	// q_proj 64×64: r̂ 32, 1,024 parameters, 2 layers
	// down_proj 64×160: r̂ 42, 1,764 parameters, 2 layers
	// trainable parameters: 5,576 of 108,296 (5.1489 %)
}

// The error of a name that matches nothing suggests the nearest one.
func ExampleAttach_noMatch() {
	_, err := adapter.Attach(context.Background(), tiny(), "mine", &adapter.LoRA{
		Common: adapter.Common{TargetModules: adapter.Suffixes("qproj")},
	}, 42)
	fmt.Println(err)
	fmt.Println(errors.Is(err, adapter.ErrNoMatch))
	// Output:
	// adapter: target_modules: no layer matches "qproj"; did you mean q_proj?
	// true
}

// New makes a method from settings by their PEFT keys, as a recipe has them.
func ExampleNew() {
	method, err := adapter.New("lora", map[string]any{"r": 4, "lora_alpha": 8, "target_modules": []string{"q_proj"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(adapter.MethodName(method), method.(*adapter.LoRA).R, method.Settings().TargetModules.List)

	_, err = adapter.New("lora", map[string]any{"lora_alph": 8})
	fmt.Println(err)
	// Output:
	// LoRA 4 [q_proj]
	// adapter: lora_alph is no setting of lora; did you mean lora_alpha?
}

// Load opens an adapter that Save or PEFT wrote, and says what does not fit.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	a, err := adapter.Attach(context.Background(), tiny(), "mine", &adapter.LoRA{R: 4}, 42)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Save(dir); err != nil {
		log.Fatal(err)
	}

	b, err := adapter.Load(context.Background(), tiny(), dir, "yours")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.NumTrainable())

	narrow, err := model.New([]byte(`{"model_type": "llama", "vocab_size": 256, "hidden_size": 32, "intermediate_size": 160,
		"num_hidden_layers": 2, "num_attention_heads": 4}`), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	_, err = adapter.Load(context.Background(), narrow, dir, "yours")
	var mismatch *adapter.MismatchError
	if errors.As(err, &mismatch) {
		fmt.Println(mismatch.Shape[0])
	}
	// Output:
	// 8960
	// base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight has shape [4 64], want [4 32]
}

// Save writes the two files of PEFT.
func ExampleAdapter_Save() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	a, err := adapter.Attach(context.Background(), tiny(), "mine", &adapter.VeRA{R: 2}, 42)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Save(dir); err != nil {
		log.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(filepath.Base(f))
	}
	// Output:
	// adapter_config.json
	// adapter_model.safetensors
}

// A merged adapter costs nothing: passes without adapter compute what passes with it did. Unmerge restores the weights.
func ExampleAdapter_Merge() {
	m := tiny()
	a, err := adapter.Attach(context.Background(), m, "mine", &adapter.DoRA{R: 4}, 42)
	if err != nil {
		log.Fatal(err)
	}
	train(a)
	logits := func(name string) float32 {
		p := &op.Pass{Adapter: name}
		defer p.Release()
		y, err := m.Logits(p, &model.Batch{IDs: []int32{1, 2, 3}}, nil, nil)
		if err != nil {
			log.Fatal(err)
		}
		return y.Row(2)[7]
	}
	base, with := logits(""), logits("mine")
	if err := a.Merge(context.Background()); err != nil {
		log.Fatal(err)
	}
	merged := logits("")
	a.Unmerge()
	fmt.Println(base != with, merged-with < 1e-4 && with-merged < 1e-4, logits("") == base)
	// Output: true true true
}

// Describe groups the layers by shape.
func ExampleAdapter_Describe() {
	a, err := adapter.Attach(context.Background(), tiny(), "mine", &adapter.LoRAXS{R: 8}, 42)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Join(a.Describe(), "\n"))
	// Output:
	// q_proj 64×64: r 8, 64 parameters, 2 layers
	// k_proj 32×64: r 8, 64 parameters, 2 layers
	// v_proj 32×64: r 8, 64 parameters, 2 layers
	// o_proj 64×64: r 8, 64 parameters, 2 layers
	// gate_proj 160×64: r 8, 64 parameters, 2 layers
	// up_proj 160×64: r 8, 64 parameters, 2 layers
	// down_proj 64×160: r 8, 64 parameters, 2 layers
	// trainable parameters: 896 of 103,616 (0.8647 %)
}

// Spectra counts the singular values of the update: LoRA's is of rank 4, MoRA's, with as many parameters, of
// full rank here.
func ExampleAdapter_Spectra() {
	common := adapter.Common{TargetModules: adapter.Suffixes("up_proj")}
	for _, method := range []adapter.Method{&adapter.LoRA{Common: common, R: 4}, &adapter.MoRA{Common: common, R: 4}} {
		a, err := adapter.Attach(context.Background(), tiny(), "mine", method, 42)
		if err != nil {
			log.Fatal(err)
		}
		for _, p := range a.Params() { // a training would do this
			for i := range op.Data(p.Param).Data {
				op.Data(p.Param).Data[i] = float32((i*i+7*i)%101-50) / 100
			}
		}
		layers, err := a.Spectra(context.Background(), 1e-3)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d of %d\n", adapter.MethodName(a.Method), layers[0].Rank, min(layers[0].Out, layers[0].In))
	}
	// Output:
	// LoRA: 4 of 64
	// MoRA, rotation: 64 of 64
}

// DiffSpectra compares two states of a model, such as before and after full fine-tuning.
func ExampleDiffSpectra() {
	before, after := tiny(), tiny()
	a, err := adapter.Attach(context.Background(), after, "mine", &adapter.LoRA{R: 2}, 42)
	if err != nil {
		log.Fatal(err)
	}
	train(a)
	if err := a.Merge(context.Background()); err != nil {
		log.Fatal(err)
	}
	layers, err := adapter.DiffSpectra(context.Background(), before, after, 1e-3)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(layers[0].Path, layers[0].Rank)
	// Output: model.layers.0.self_attn.q_proj 2
}

// SuggestLR has the rates that papers search.
func ExampleSuggestLR() {
	rates, err := adapter.SuggestLR("mora", 8)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rates.Warn(0.1))
	// Output: learning_rate 0.1 is far above 0.0002 to 0.0005 (the MoRA paper searches 0.0002 to 0.0005 at r 8 and 3e-05 to 7e-05 at r 256)
}
