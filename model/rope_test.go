package model

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// partialLlama is a Llama that takes partial_rotary_factor, as Phi 3 does.
const partialLlama = "partial-llama"

// registerPartial registers partialLlama for one test.
func registerPartial(t *testing.T) {
	Register(partialLlama, Architecture{Class: "Llama", Prefix: "model.", Kind: head.CausalLM, New: newPartialLlama})
	t.Cleanup(func() { delete(architectures, partialLlama) })
}

func newPartialLlama(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &DecoderConfig{MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6, HiddenAct: "silu", RoPEConfig: RoPEConfig{PartialRotary: true}}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.Complete(); err != nil {
		return nil, nil, err
	}
	return NewDecoder(c, want, func(int) DecoderLayer {
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: c.NewAttention(false, false), PostNorm: c.NewNorm(), MLP: c.NewMLP(false)}
	})
}

// ropeGolden reads a JSON file of testdata/golden/rope.
func ropeGolden(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(golden.Roots(t, "rope")[0], name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// loadRope makes the folder of a golden case and loads it.
func loadRope(t *testing.T, config object) *Model {
	t.Helper()
	dir := t.TempDir()
	weights, err := filepath.Abs(filepath.Join(golden.Roots(t, "rope")[0], "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// TestRopesAreTransformers compares every rope type, in both spellings, with transformers: documents within the original
// length and beyond it, together in one batch; gradients; a text that grows beyond it in the cache (scripts/golden/rope.py).
func TestRopesAreTransformers(t *testing.T) {
	registerPartial(t)
	var all struct {
		Base  object            `json:"base"`
		Cases map[string]object `json:"cases"`
	}
	ropeGolden(t, "cases.json", &all)
	io := golden.Open(t, filepath.Join(golden.Roots(t, "rope")[0], "io.safetensors"))
	ids := func(name string) (out []int32) {
		for _, id := range io.Int(t, name) {
			out = append(out, int32(id))
		}
		return out
	}
	short, long := ids("short"), ids("long")
	batch := &Batch{IDs: slices.Concat(short, long, short), CuSeqLens: []int{0, len(short), len(short) + len(long), 2*len(short) + len(long)}}
	for name, change := range all.Cases {
		t.Run(name, func(t *testing.T) {
			config := maps.Clone(all.Base)
			maps.Copy(config, change)
			if strings.HasPrefix(name, "phi3") {
				config["model_type"] = partialLlama
			}
			m := loadRope(t, config)
			p := &op.Pass{}
			defer p.Release()
			y, err := m.Logits(p, batch, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			within, beyond := io.Float32(t, name+"/short"), io.Float32(t, name+"/long")
			golden.Close(t, "logits", y.Data, slices.Concat(within, beyond, within), 2e-4, false)
			checkRopeGradients(t, m, io, name, long)
			if io.Has(name + "/greedy") {
				checkRopeGreedy(t, m, ids(name+"/greedy"))
			}
		})
	}
}

// checkRopeGradients compares the gradients of the first layer's queries and keys.
func checkRopeGradients(t *testing.T, m *Model, io *golden.File, name string, ids []int32) {
	m.Weights(func(w *Weight) { w.Train() })
	defer m.Weights(func(w *Weight) { w.Freeze() })
	p := &op.Pass{Grad: true, Checkpointing: true}
	defer p.Release()
	losses, err := m.Loss(p, &Batch{IDs: ids, Labels: ids})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Backward(losses, 1/float32(op.Matrix(losses).Rows)); err != nil {
		t.Fatal(err)
	}
	m.Weights(func(w *Weight) {
		switch w.Name {
		case "model.layers.0.self_attn.q_proj.weight":
			golden.Close(t, "queries", op.Grad(w.Param("")).Data, io.Float32(t, name+"/q"), 1e-3, true)
		case "model.layers.0.self_attn.k_proj.weight":
			golden.Close(t, "keys", op.Grad(w.Param("")).Data, io.Float32(t, name+"/k"), 1e-3, true)
		}
	})
}

// checkRopeGreedy continues the first 26 tokens.
func checkRopeGreedy(t *testing.T, m *Model, want []int32) {
	out, err := m.Generate(t.Context(), [][]int32{want[:26], want[:3]}, GenerationConfig{MaxNewTokens: len(want) - 26}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out[0], want[26:]) {
		t.Errorf("greedy tokens are %v, want %v", out[0], want[26:])
	}
}

// TestRopesByLayerType compares frequencies with transformers' for Gemma 3.
func TestRopesByLayerType(t *testing.T) {
	var all map[string]struct {
		RoPEConfig
		Want map[string]struct {
			InvFreq []float32 `json:"inv_freq"`
			Scale   float32   `json:"scale"`
		} `json:"want"`
	}
	ropeGolden(t, "frequencies.json", &all)
	for name, c := range all {
		for layerType, want := range c.Want {
			c.PartialRotary = true
			r, _, err := c.RoPE(16, 64, layerType)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, name+", "+layerType, r.InvFreq, want.InvFreq, 1e-6, true)
			if scale := max(r.Scale, 1); math.Abs(float64(scale-want.Scale)) > 1e-6 {
				t.Errorf("%s, %s: scale %g, want %g", name, layerType, scale, want.Scale)
			}
		}
		if _, _, err := c.RoPE(16, 64, "chunked_attention"); err == nil || !strings.Contains(err.Error(), "it has full_attention, sliding_attention") {
			t.Errorf("%s: got error %v, want one that names the layer types", name, err)
		}
	}
}

func TestRopeIsReadOrRefused(t *testing.T) {
	registerPartial(t)
	four := []float64{1, 1}
	for _, tt := range []struct {
		name string
		keys []any
		want string // part of the error; "" is none
	}{
		{"Phi 3's older name of longrope", []any{"rope_scaling", object{"type": "su", "short_factor": four, "long_factor": four}}, ""},
		{"text of a vision model", []any{"rope_scaling", object{"type": "mrope", "mrope_section": []int{16, 24, 24}}}, ""},
		{"a note", []any{"rope_scaling", object{"type": "yarn", "factor": 16, "finetuned": true}}, ""},
		{"null", []any{"rope_scaling", json.RawMessage("null"), "rope_parameters", object{"rope_type": "linear", "factor": 2}}, ""},
		{"unknown type", []any{"rope_scaling", object{"rope_type": "axial"}}, `rope_scaling: rope_type "axial" is not supported; supported are default, dynamic, linear, llama3, longrope, proportional, yarn`},
		{"unknown key", []any{"rope_parameters", object{"rope_type": "linear", "factor": 4, "beta": 1}}, `rope_parameters: json: unknown field "beta"`},
		{"not an object", []any{"rope_scaling", "linear"}, "rope_scaling: json"},
		{"no factor", []any{"rope_scaling", object{"type": "dynamic"}}, "rope_scaling: factor is 0; want 1 or more"},
		{"small factor", []any{"rope_scaling", object{"type": "linear", "factor": 0.5}}, "factor is 0.5; want 1 or more"},
		{"negative base", []any{"rope_theta", -1}, "rope_theta is -1"},
		{"negative original", []any{"rope_scaling", object{"type": "yarn", "factor": 2, "original_max_position_embeddings": -4}}, "original_max_position_embeddings -4"},
		{"negative attention factor", []any{"rope_scaling", object{"type": "yarn", "factor": 2, "attention_factor": -1}}, "attention_factor is -1; want more than 0"},
		{"zero of yarn", []any{"rope_scaling", object{"type": "yarn", "factor": 0}}, "yarn has factor 0"},
		{"negative yarn", []any{"rope_scaling", object{"type": "yarn", "factor": -2}}, "yarn has factor -2"},
		{"base 1", []any{"rope_theta", 1, "rope_scaling", object{"type": "yarn", "factor": 2}}, "a base other than 1"},
		{"few factors", []any{"rope_scaling", object{"type": "longrope", "short_factor": four}}, "short_factor has 2 numbers and long_factor 0; want 2"},
		{"zero factors", []any{"rope_scaling", object{"type": "longrope", "short_factor": four, "long_factor": []int{1, 0}}}, "have 0; want more than 0"},
		{"llama3 incomplete", []any{"rope_scaling", object{"rope_type": "llama3", "factor": 8}}, "llama3 needs"},
		{"by layer type", []any{"rope_parameters", object{"full_attention": object{"rope_theta": 5}, "sliding_attention": nil}}, `no entry for layers of type ""; it has full_attention, sliding_attention`},
		{"partial", []any{"partial_rotary_factor", 0.5}, "partial_rotary_factor is 0.5, but this model_type rotates whole heads"},
		{"whole", []any{"partial_rotary_factor", 1}, ""},
		{"odd part", []any{"model_type", partialLlama, "partial_rotary_factor", 0.8}, "partial_rotary_factor 0.8 of head_dim 4 is 3 values; want an even number from 2 to 4"},
		{"small heads", []any{"model_type", partialLlama, "partial_rotary_factor", 0.5, "rope_scaling", object{"type": "dynamic", "factor": 2}}, "dynamic needs heads of more than 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(with(t, tt.keys...), Options{Seed: 1})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestRopeExtendsPositions: dynamic and yarn are made for documents longer than max_position_embeddings.
func TestRopeExtendsPositions(t *testing.T) {
	for _, tt := range []struct {
		scaling object
		want    int
	}{
		{nil, 32},
		{object{"type": "linear", "factor": 4}, 32},
		{object{"type": "dynamic", "factor": 4}, 128},
		{object{"type": "yarn", "factor": 4}, 128},
		{object{"type": "yarn", "factor": 4, "original_max_position_embeddings": 4}, 32},
	} {
		m, err := New(with(t, "rope_scaling", tt.scaling), Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Config().MaxPositionEmbeddings; got != tt.want {
			t.Errorf("%v: documents have up to %d tokens, want %d", tt.scaling, got, tt.want)
		}
	}
}

// TestOriginalLengthIsShort: dynamic and longrope change the frequencies of documents that are longer than the original length,
// and not of those that have it.
func TestOriginalLengthIsShort(t *testing.T) {
	for _, scaling := range []string{
		`{"type": "dynamic", "factor": 2}`,
		`{"type": "longrope", "short_factor": [1, 1], "long_factor": [2, 3], "original_max_position_embeddings": 8, "attention_factor": 1}`,
	} {
		c := RoPEConfig{RopeScaling: json.RawMessage(scaling)}
		rotated, _, err := c.RoPE(4, 8, "")
		if err != nil {
			t.Fatal(err)
		}
		plain := &op.RoPE{InvFreq: rotated.InvFreq}
		for n, same := range map[int]bool{7: true, 8: true, 9: false} {
			if got := slices.Equal(attend(t, rotated, n), attend(t, plain, n)); got != same {
				t.Errorf("%s: %d tokens: the frequencies are the short ones: %t, want %t", scaling, n, got, same)
			}
		}
	}
}

// attend is attention over a document of n tokens, with one head of 4 values.
func attend(t *testing.T, r *op.RoPE, n int) []float32 {
	t.Helper()
	qkv := make([]float32, 12*n)
	for i := range qkv {
		qkv[i] = float32(i%7) - 3
	}
	var out []float32
	err := op.Inference("", func(p *op.Pass) error {
		x := p.New(n, 12)
		copy(op.Matrix(x).Data, qkv)
		out = slices.Clone(op.Matrix(op.Attention(p, x, []int{0, n}, r, op.AttentionShape{Heads: 1, KVHeads: 1, HeadDim: 4, Scale: 0.5}, nil)).Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzRoPE(f *testing.F) {
	f.Add(`{"rope_type": "yarn", "factor": 4, "mscale": 1, "mscale_all_dim": 2}`, 4, 32)
	f.Add(`{"rope_type": "longrope", "short_factor": [1, 1], "long_factor": [2, 2]}`, 4, 32)
	f.Add(`{"full_attention": {"type": "dynamic", "factor": 2}, "": null}`, 8, 1)
	f.Fuzz(func(t *testing.T, parameters string, headDim, maxPositions int) {
		if headDim <= 0 || headDim > 512 || maxPositions <= 0 || maxPositions > 1<<24 {
			t.Skip()
		}
		c := RoPEConfig{RopeParameters: json.RawMessage(parameters), PartialRotary: true}
		for _, layerType := range []string{"", "full_attention"} {
			r, positions, err := c.RoPE(headDim, maxPositions, layerType)
			if err != nil {
				continue
			}
			if n := len(r.InvFreq); n == 0 || 2*n > headDim || positions < maxPositions {
				t.Fatalf("%s: %d frequencies for heads of %d, %d positions", parameters, n, headDim, positions)
			}
			if r.Long != nil && len(r.Long(positions+1)) != len(r.InvFreq) {
				t.Fatalf("%s: another number of frequencies", parameters)
			}
		}
	})
}
