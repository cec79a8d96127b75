package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

const tinyConfig = `{"model_type": "llama", "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32}`

// with returns tinyConfig with keys set; a nil value deletes.
func with(t testing.TB, kv ...any) []byte {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(tinyConfig), &c); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] == nil {
			delete(c, kv[i].(string))
		} else {
			c[kv[i].(string)] = kv[i+1]
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type object = map[string]any

func TestConfigIsReadOrRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config []byte
		want   string // part of the error; "" is none
	}{
		{"as it is", with(t), ""},
		{"harmless keys", with(t, "torch_dtype", "float32", "use_cache", true, "transformers_version", "5"), ""},
		{"unknown family", with(t, "model_type", "mamba"), `model_type "mamba" is not supported`},
		{"unknown key", with(t, "logit_scale", 2), "not supported: logit_scale = 2"},
		{"unknown key that is off", with(t, "logit_softcap", nil, "moe", false), ""},
		{"quantised", with(t, "quantization_config", object{"bits": 4}), "quantization_config"},
		{"no vocabulary", with(t, "vocab_size", nil), "vocab_size is 0"},
		{"absurd size", with(t, "hidden_size", 1<<30), "hidden_size"},
		{"wrong kind", with(t, "hidden_size", "8"), "config.json"},
		{"heads", with(t, "num_key_value_heads", 3), "not a multiple of num_key_value_heads"},
		{"odd head", with(t, "head_dim", 5), "head_dim 5 is odd"},
		{"activation", with(t, "hidden_act", "gelu"), `hidden_act "gelu"`},
		{"dropout", with(t, "attention_dropout", 0.1), ""},
		{"yarn", with(t, "rope_scaling", object{"rope_type": "yarn", "factor": 4}), ""},
		{"rope type", with(t, "rope_scaling", object{"rope_type": "axial", "factor": 4}), `rope_type "axial" is not supported`},
		{"rope key", with(t, "rope_scaling", object{"rope_type": "linear", "factor": 4, "beta": 1}), "beta"},
		{"linear rope", with(t, "rope_scaling", object{"type": "linear", "factor": 4}), ""},
		{"llama3 incomplete", with(t, "rope_scaling", object{"rope_type": "llama3", "factor": 8}), "llama3 needs"},
		{"window of llama", with(t, "sliding_window", 4), "sliding_window"},
		{"layer types", with(t, "model_type", "qwen2", "layer_types", []string{"full_attention"}), "layer_types has 1 entries for 2"},
		{"layer type", with(t, "model_type", "qwen2", "layer_types", []string{"full_attention", "linear_attention"}), "linear_attention"},
		{"not json", []byte("{"), "config.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.config, Options{Seed: 1})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// save writes a model with random weights; change may alter the tensors.
func save(t *testing.T, config []byte, change func(ts map[string]checkpoint.Tensor)) string {
	t.Helper()
	m, err := New(config, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	if change == nil {
		return dir
	}
	f, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ts := map[string]checkpoint.Tensor{}
	for _, n := range f.Names() {
		x, _ := f.Get(n)
		x.Data = slices.Clone(x.Data)
		ts[n] = x
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	change(ts)
	var list []checkpoint.Tensor
	for n, x := range ts {
		x.Name = n
		list = append(list, x)
	}
	if err := checkpoint.Write(filepath.Join(dir, "model.safetensors"), list, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadListsWhatIsWrong(t *testing.T) {
	const q = "model.layers.1.self_attn.q_proj.weight"
	for _, tt := range []struct {
		name   string
		change func(map[string]checkpoint.Tensor)
		want   []string
	}{
		{"missing and left over", func(ts map[string]checkpoint.Tensor) { ts["model.extra"] = ts[q]; delete(ts, q) }, []string{"missing " + q, "unexpected model.extra"}},
		{"misshapen", func(ts map[string]checkpoint.Tensor) { x := ts[q]; x.Shape = []int{4, 16}; ts[q] = x }, []string{q + " has shape [4 16], want [8 8]"}},
		{"NaN", func(ts map[string]checkpoint.Tensor) { copy(ts[q].Data[36:], []byte{0, 0, 0xc0, 0x7f}) }, []string{q + " holds NaN or an infinite value in row 1"}},
		{"integers", func(ts map[string]checkpoint.Tensor) { x := ts[q]; x.DType = checkpoint.DTypeI32; ts[q] = x }, []string{"I32", "want F32, BF16 or F16"}},
		{"old buffers", func(ts map[string]checkpoint.Tensor) {
			ts["model.layers.0.self_attn.rotary_emb.inv_freq"] = checkpoint.F32("", []float32{1}, 1)
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(t.Context(), save(t, with(t), tt.change), Options{})
			if len(tt.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, w := range tt.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("got error %v, want one with %q", err, w)
				}
			}
		})
	}
}

func TestLoadRefusesFolders(t *testing.T) {
	dir := save(t, with(t), nil)
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):        "no such folder",
		filepath.Join(dir, "config.json"): "is a file",
		t.TempDir():                       "config.json",
	} {
		if _, err := Load(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(t.Context(), %s, Options{}): got error %v, want one with %q", path, err, want)
		}
	}
}

func logits(t *testing.T, m *Model, ids []int32) []float32 {
	t.Helper()
	p := &op.Pass{}
	defer p.Release()
	y, err := m.Logits(p, &Batch{IDs: ids}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y.Data)
}

func TestSavedModelIsTheSame(t *testing.T) {
	for _, tie := range []bool{false, true} {
		m, err := New(with(t, "tie_word_embeddings", tie), Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		ids := []int32{1, 5, 10, 0}
		want := logits(t, m, ids)
		dir := filepath.Join(t.TempDir(), "a")
		if err := m.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		if err := m.Save(t.Context(), dir, "", ""); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("a second Save gave %v, want a refusal", err)
		}
		back, err := Load(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logits(t, back, ids), want) {
			t.Errorf("tied %v: other logits after Save and Load", tie)
		}
		half := filepath.Join(t.TempDir(), "b")
		if err := back.Save(t.Context(), half, "", checkpoint.DTypeBF16); err != nil {
			t.Fatal(err)
		}
		again, err := Load(t.Context(), half, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, full := again.WeightBytes(), back.WeightBytes(); got > full/2+200 {
			t.Errorf("bf16 weights take %d bytes, f32 ones %d", got, full)
		}
	}
}

func TestSaveRefusesNaN(t *testing.T) {
	m, err := New(with(t), Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	var w *Weight
	m.Weights(func(x *Weight) { w = x })
	v := w.Values("")
	v[0] = float32(nan())
	w.set(v)
	dir := filepath.Join(t.TempDir(), "a")
	if err := m.Save(t.Context(), dir, "", ""); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("got error %v, want one about NaN", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a refused Save left %s", dir)
	}
}

func nan() float64 { z := 0.0; return z / z }

func TestBatchIsChecked(t *testing.T) {
	m, err := New(with(t), Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	long := make([]int32, 33)
	for _, tt := range []struct {
		b    Batch
		want string
	}{
		{Batch{}, "without tokens"},
		{Batch{IDs: []int32{11}}, "id 11"},
		{Batch{IDs: []int32{-1}}, "id -1"},
		{Batch{IDs: []int32{1}, Labels: []int32{1, 2}}, "1 tokens and 2 labels"},
		{Batch{IDs: []int32{1, 2}, Labels: []int32{12, 12}}, "label 12"},
		{Batch{IDs: []int32{1, 2}, Labels: []int32{1, head.IgnoreIndex}}, "no token of the batch is scored"},
		{Batch{IDs: []int32{1, 2}, TokenTypeIDs: []int32{1}}, "2 tokens and 1 types"},
		{Batch{IDs: []int32{1, 2}, TokenTypeIDs: []int32{0, 1}}, "token 1 has type 1; the model has 1"},
		{Batch{IDs: []int32{1, 2}, Labels: []int32{1}, TargetCuSeqLens: []int{0, 1, 1}}, "2 targets for 1 documents"},
		{Batch{IDs: []int32{1, 2}, CuSeqLens: []int{0, 1}}, "bounds"},
		{Batch{IDs: []int32{1, 2}, CuSeqLens: []int{0, 2, 1, 2}}, "bounds"},
		{Batch{IDs: long}, "max_position_embeddings is 32"},
	} {
		p := &op.Pass{}
		if _, err := m.Loss(p, &tt.b); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got error %v, want one with %q", tt.b, err, tt.want)
		}
	}
}
