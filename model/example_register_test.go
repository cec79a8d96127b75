package model_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// parallelLayer is the layer of GPT-J (Wang and Komatsuzaki 2021): attention and MLP read the same norm, side by side.
type parallelLayer struct {
	Norm      *model.RMSNorm   `hf:"input_layernorm"`
	Attention *model.Attention `hf:"self_attn"`
	MLP       *model.GatedMLP  `hf:"mlp"`
}

func (l *parallelLayer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	h := l.Norm.Forward(p, x)
	return op.Add(p, x, op.Add(p, l.Attention.Forward(p, h, bounds, cache), l.MLP.Forward(p, h)))
}

// newParallel declares the architecture's models.
func newParallel(config *model.ConfigFile, want head.Config) (model.Backbone, *model.Head, error) {
	c := &model.DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6, HiddenAct: "gelu_new"}
	if err := errors.Join(config.Decode(c), c.Complete()); err != nil {
		return nil, nil, err
	}
	return model.NewDecoder(c, want, func(int) model.DecoderLayer {
		return &parallelLayer{c.NewNorm(), c.NewAttention(false, false), c.NewMLP(false)}
	})
}

func init() {
	model.Register("parallel", model.Architecture{Class: "Parallel", Prefix: "model.", Kind: head.CausalLM, New: newParallel})
}

// This file is a whole architecture, in a package of its own.
func ExampleRegister() {
	m, err := model.New([]byte(`{"model_type": "parallel", "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64,
		"num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}`), model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m.Weights(func(w *model.Weight) { fmt.Println(w.Name, w.Shape) })
	// Output:
	// model.embed_tokens.weight [100 32]
	// model.layers.0.input_layernorm.weight [32]
	// model.layers.0.self_attn.q_proj.weight [32 32]
	// model.layers.0.self_attn.k_proj.weight [16 32]
	// model.layers.0.self_attn.v_proj.weight [16 32]
	// model.layers.0.self_attn.o_proj.weight [32 32]
	// model.layers.0.mlp.gate_proj.weight [64 32]
	// model.layers.0.mlp.up_proj.weight [64 32]
	// model.layers.0.mlp.down_proj.weight [32 64]
	// model.norm.weight [32]
	// lm_head.weight [100 32]
}
