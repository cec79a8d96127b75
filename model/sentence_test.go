package model

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// addModules writes sentence-transformers' files of two dense layers, 8 to 3 by tanh and 3 to 2, with the values i/10 and i/5.
func addModules(t *testing.T, dir, modules string) {
	t.Helper()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("modules.json", modules)
	write("1_Pooling/config.json", `{"pooling_mode_cls_token": true}`)
	write("2_Dense/config.json", `{"in_features": 8, "out_features": 3, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh"}`)
	write("3_Dense/config.json", `{"in_features": 3, "out_features": 2, "bias": false, "activation_function": "torch.nn.modules.linear.Identity"}`)
	for name, tensors := range map[string][]checkpoint.Tensor{
		"2_Dense": {steps("linear.weight", 0.1, 3, 8), steps("linear.bias", 0.1, 3)}, "3_Dense": {steps("linear.weight", 0.2, 2, 3)},
	} {
		if err := checkpoint.Write(filepath.Join(dir, name, "model.safetensors"), tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// steps is a tensor of 0, step, 2·step and so on.
func steps(name string, step float32, shape ...int) checkpoint.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = step * float32(i)
	}
	return checkpoint.F32(name, v, shape...)
}

const sentenceModules = `[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
 {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
 {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
 {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"},
 {"idx": 4, "name": "4", "path": "4_Normalize", "type": "sentence_transformers.models.Normalize"}]`

// TestSentenceModules: a document's vector goes through the folder's dense layers, also in a saved and in a sharing model.
func TestSentenceModules(t *testing.T) {
	m, err := New([]byte(tinyBERT), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "m")
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	addModules(t, dir, sentenceModules)
	loaded, err := Load(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again")
	if err := loaded.Save(t.Context(), again, "", ""); err != nil {
		t.Fatal(err)
	}
	saved, err := Load(t.Context(), again, Options{})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := loaded.Share(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &Batch{IDs: []int32{3, 4, 5, 6, 7}, CuSeqLens: []int{0, 2, 5}}
	want := byHand(t, m, b)
	for name, m := range map[string]*Model{"loaded": loaded, "saved": saved, "shared": shared} {
		p := &op.Pass{}
		v, err := m.Logits(p, b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range v.Data {
			if v.Cols != 2 || math.Abs(float64(x)-want[i]) > 1e-5 {
				t.Errorf("%s: the vectors are %v, want %v", name, v.Data, want)
				break
			}
		}
		p.Release()
	}
}

// byHand computes the vectors from the hidden states of the first tokens.
func byHand(t *testing.T, m *Model, b *Batch) (want []float64) {
	p := &op.Pass{}
	defer p.Release()
	h, err := m.LastHiddenState(p, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range b.CuSeqLens[:2] {
		var mid [3]float64
		for i := range mid {
			mid[i] = 0.1 * float64(i)
			for j, x := range h.Row(first) {
				mid[i] += 0.1 * float64(8*i+j) * float64(x)
			}
			mid[i] = math.Tanh(mid[i])
		}
		for i := range 2 {
			sum := 0.0
			for j, x := range mid {
				sum += 0.2 * float64(3*i+j) * x
			}
			want = append(want, sum)
		}
	}
	return want
}

// TestSentenceModulesRefused checks what modules.json cannot ask for.
func TestSentenceModulesRefused(t *testing.T) {
	m, err := New([]byte(tinyBERT), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for want, swap := range map[string][2]string{
		`models.LSTM" after Transformer is not supported`: {"models.Pooling", "models.LSTM"},
		`models.Dense" after Normalize`:                   {"models.Dense", "models.Normalize"},
		"in_features 3, out_features 2; want 8":           {`"path": "2_Dense"`, `"path": "3_Dense"`},
		`path "../2_Dense" is outside the model's folder`: {`"path": "2_Dense"`, `"path": "../2_Dense"`},
		`path "/2_Dense" is outside the model's folder`:   {`"path": "2_Dense"`, `"path": "/2_Dense"`},
		"the Pooling's 5_Pooling/config.json is missing":  {`"path": "1_Pooling"`, `"path": "5_Pooling"`},
		`models.Pooling" after nothing is not supported`:  {`{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},`, ""},
		`the Transformer's path "0_Transformer"`:          {`"path": ""`, `"path": "0_Transformer"`},
		"modules.json: path is a number; want a string":   {`"path": "2_Dense"`, `"path": 2`},
		"modules.json: there is no Pooling":               {sentenceModules, "[]"},
		"want one after the Transformer":                  {sentenceModules, `[{"path": "", "type": "sentence_transformers.models.Transformer"}]`},
		"no such file":                                    {`"path": "2_Dense"`, `"path": "5_Dense"`},
	} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := m.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		addModules(t, dir, strings.Replace(sentenceModules, swap[0], swap[1], 1))
		if _, err := Load(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// tinyQwen3 is a tiny embedding model on a decoder.
const tinyQwen3 = `{"model_type": "qwen3", "architectures": ["Qwen3Model"], "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12, "head_dim": 4,
	"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16, "tie_word_embeddings": true}`

// embeddingFolder saves a new model with a pooling as its only module.
func embeddingFolder(t *testing.T, config string) string {
	t.Helper()
	m, err := New([]byte(config), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "m")
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	addModules(t, dir, sentenceModules[:strings.LastIndex(sentenceModules, `,
 {"idx": 2`)]+"]")
	return dir
}

// TestEmbeddingFolders: a folder with a pooling in modules.json is an embedding model, whatever its config.json says of the head
// from which it was trained; another head is there when the options ask for it.
func TestEmbeddingFolders(t *testing.T) {
	mpnet := strings.NewReplacer(`"bert"`, `"mpnet"`, "BertModel", "MPNetModel").Replace(tinyBERT)
	b := &Batch{IDs: []int32{3, 4, 5, 6, 7}, CuSeqLens: []int{0, 2, 5}}
	for _, tt := range []struct{ config, own, class, mode, pools string }{
		{tinyBERT, `"BertModel"`, `"BertForMaskedLM"`, "cls_token", "first"}, {mpnet, `"MPNetModel"`, `"MPNetForMaskedLM"`, "mean_tokens", "mean"},
		{tinyQwen3, `"Qwen3Model"`, `"SomebodysEmbedder"`, "lasttoken", "last"},
	} {
		dir := embeddingFolder(t, tt.config)
		for name, text := range map[string]string{"1_Pooling/config.json": `{"word_embedding_dimension": 8, "pooling_mode_` + tt.mode + `": true}`,
			"config.json": strings.Replace(tt.config, tt.own, tt.class, 1)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		loaded, err := Load(t.Context(), dir, Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.class, err)
			continue
		}
		if k := loaded.Head().Kind; k != head.FeatureExtraction || !strings.Contains(string(loaded.ConfigJSON), tt.own) {
			t.Errorf("%s: the head is for %s, in %s", tt.class, k, loaded.ConfigJSON)
		}
		shared, err := loaded.Share(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*Model{loaded, shared} {
			if got := pools(t, m, b); got != tt.pools {
				t.Errorf("%s: the vectors are by %s, want %s", tt.class, got, tt.pools)
			}
		}
		classes, err := Load(t.Context(), dir, Options{Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"a", "b"}}})
		if err != nil || classes.Head().Kind != head.SequenceClassification {
			t.Errorf("%s with classes: %v", tt.class, err)
		}
	}
}

// TestCausalEmbeddingFolder: a causal language model with a pooling stays one, and is an embedding model where the options say so.
func TestCausalEmbeddingFolder(t *testing.T) {
	dir := embeddingFolder(t, strings.Replace(tinyQwen3, "Qwen3Model", "Qwen3ForCausalLM", 1))
	for want, o := range map[head.Kind]Options{head.CausalLM: {}, head.FeatureExtraction: {Head: head.Config{Kind: head.FeatureExtraction}}} {
		loaded, err := Load(t.Context(), dir, o)
		if err != nil || loaded.Head().Kind != want {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestEmbeddingFolderRefused: sizes that contradict each other, and a model that does not lie beside modules.json.
func TestEmbeddingFolderRefused(t *testing.T) {
	m, err := New([]byte(tinyBERT), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(dir string) error{
		"1_Pooling/config.json: word_embedding_dimension is 9; the model's hidden_size is 8": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, poolingFile), []byte(`{"word_embedding_dimension": 9, "pooling_mode_cls_token": true}`), 0o666)
		},
		"has modules.json with the model's files in 0_Transformer": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, "0_Transformer"), 0o777); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "config.json"), filepath.Join(dir, "0_Transformer", "config.json"))
		},
	} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := m.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		addModules(t, dir, sentenceModules)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
