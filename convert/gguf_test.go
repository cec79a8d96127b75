package convert

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// decoderFolder saves a model with random weights, and the embedded base's tokenizer, whose tokens are bytes.
func decoderFolder(t *testing.T, modelType, more string) string {
	t.Helper()
	m, err := model.New([]byte(fmt.Sprintf(`{"model_type": %q, "vocab_size": 256, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2, "eos_token_id": 0%s}`, modelType, more)), model.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	m.Weights(func(w *model.Weight) { // norms are ones, biases zeros
		if len(w.Shape) == 1 {
			v := w.Values("")
			for i := range v {
				v[i] += float32(rng.NormFloat64()) * 0.2
			}
			w.SetValues(v)
		}
	})
	dir := filepath.Join(t.TempDir(), "decoder") // llama.cpp wants special tokens of models whose name has phi3
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "generation_config.json"} {
		raw, err := os.ReadFile(filepath.Join(golden.Repository(t), "evaldata", "base", name))
		if err != nil {
			t.Fatal(err)
		}
		tiny.Write(t, filepath.Join(dir, name), string(raw))
	}
	return dir
}

// four are settings of four layers with windows that the prompts exceed.
const four = `, "num_hidden_layers": 4, "sliding_window": 6`

var decoders = []struct{ name, modelType, more string }{
	{"llama", "llama", ""}, {"tied", "llama", `, "tie_word_embeddings": true`}, {"biases", "llama", `, "attention_bias": true, "mlp_bias": true`},
	{"llama3", "llama", `, "rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
		"original_max_position_embeddings": 8192}`},
	{"linear", "llama", `, "rope_scaling": {"rope_type": "linear", "factor": 2.0}`},
	{"yarn", "llama", `, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}`},
	{"yarn with its factor", "qwen3", `, "rope_scaling": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32, "attention_factor": 1.3}`},
	{"mistral", "mistral", `, "sliding_window": null`}, {"qwen2", "qwen2", ""}, {"qwen3", "qwen3", `, "head_dim": 32`}, {"olmo2", "olmo2", ""},
	{"olmo3", "olmo3", four + `, "rope_parameters": {"full_attention": {"rope_type": "yarn", "rope_theta": 500000.0, "factor": 4.0, "original_max_position_embeddings": 64},
		"sliding_attention": {"rope_type": "default", "rope_theta": 500000.0}}`},
	{"gemma", "gemma", `, "head_dim": 32`},
	{"gemma2", "gemma2", four + `, "head_dim": 32, "query_pre_attn_scalar": 32, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0`},
	{"gemma3", "gemma3_text", four + `, "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window_pattern": 3, "rope_theta": 300.0, "rope_local_base_freq": 50.0`},
	{"gemma3 linear", "gemma3_text", four + `, "num_hidden_layers": 7, "head_dim": 32, "query_pre_attn_scalar": 32, "rope_theta": 300.0,
		"rope_scaling": {"rope_type": "linear", "factor": 8.0}, "final_logit_softcapping": 3.0`},
	{"phi3", "phi3", `, "sliding_window": null, "pad_token_id": 0`},
	{"phi4-mini", "phi3", `, "sliding_window": null, "pad_token_id": 0, "partial_rotary_factor": 0.5, "tie_word_embeddings": true`},
	{"short", "phi3", phiLongRoPE + `"original_max_position_embeddings": 256`}, {"long", "phi3", phiLongRoPE + `"original_max_position_embeddings": 8`},
	{"smollm3", "smollm3", `, "num_hidden_layers": 4, "pad_token_id": 0`},
	{"granite", "granite", `, "embedding_multiplier": 1.5, "logits_scaling": 0.5, "residual_multiplier": 0.6, "attention_multiplier": 0.3, "attention_bias": true`},
	{"starcoder2", "starcoder2", `, "sliding_window": null`},
	{"stablelm", "stablelm", `, "partial_rotary_factor": 0.5, "use_qkv_bias": true`},
	{"stablelm-12b", "stablelm", `, "partial_rotary_factor": 0.25, "use_parallel_residual": true, "qk_layernorm": true`},
	{"exaone4", "exaone4", `, "sliding_window": null, "layer_types": ["full_attention", "full_attention"]`},
	{"exaone4 windows", "exaone4", four + `, "num_hidden_layers": 64`},
	{"glm4", "glm4", `, "head_dim": 32, "pad_token_id": 0`}, {"cohere2", "cohere2", four + `, "logit_scale": 0.5`},
	{"cohere2 period", "cohere2", four + `, "num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]`},
	{"mixtral", "mixtral", `, "num_local_experts": 6, "num_experts_per_tok": 3, "sliding_window": null`},
	{"qwen2_moe", "qwen2_moe", experts + `, "shared_expert_intermediate_size": 96, "norm_topk_prob": false`},
	{"qwen3_moe", "qwen3_moe", experts + `, "head_dim": 32, "norm_topk_prob": true`},
	{"qwen2_moe with local experts", "qwen2_moe", localExperts + `, "shared_expert_intermediate_size": 96, "norm_topk_prob": false`},
	{"qwen3_moe with local experts", "qwen3_moe", localExperts + `, "head_dim": 32, "norm_topk_prob": true`},
	{"mixtral with experts", "mixtral", `, "num_experts": 6, "num_experts_per_tok": 3, "sliding_window": null`},
	{"olmoe", "olmoe", `, "num_experts": 6, "num_experts_per_tok": 3, "norm_topk_prob": false, "pad_token_id": 0, "num_key_value_heads": 4`},
	{"gpt_oss", "gpt_oss", four + `, "head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2`},
	{"gpt2", "gpt2", `, "num_attention_heads": null, "num_key_value_heads": null, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256`},
}

// experts are settings of six experts, of which each token has three.
const experts = `, "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 32`

// localExperts are the same by the name that transformers 5 writes.
const localExperts = `, "num_local_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 32`

// phiLongRoPE are a Phi-3's settings of longrope.
const phiLongRoPE = `, "sliding_window": null, "pad_token_id": 0, "rope_scaling": {"rope_type": "longrope", "short_factor": [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
	"long_factor": [1, 1.5, 2, 2.5, 3, 4, 5, 6]}, "max_position_embeddings": 512, `

// TestGGUFRoundTrip: a model in F32 has the same logits as a GGUF file, and again as a folder that is made of the file.
func TestGGUFRoundTrip(t *testing.T) {
	for _, tt := range decoders {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "m.gguf")
			dir := decoderFolder(t, tt.modelType, tt.more)
			r, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: out})
			if err != nil {
				t.Fatal(err)
			}
			if r.Largest > 1e-4*r.Scale || r.SameGreedy != r.LogitChange.Tokens || r.LossBefore == 0 {
				t.Errorf("%+v", r)
			}
			if raw, err := os.ReadFile(r.Modelfile.Path); err != nil || !strings.Contains(string(raw), "FROM ./m.gguf") {
				t.Errorf("Modelfile: %v\n%s", err, raw)
			}
			folder := filepath.Join(t.TempDir(), "back")
			back, err := Merge(t.Context(), out, "", folder, "")
			if err != nil || back.Largest != 0 {
				t.Fatalf("back: %+v, %v", back, err)
			}
			sameBits(t, tiny.Load(t, dir), tiny.Load(t, folder))
		})
	}
}

// sameBits compares the weights of two models bit by bit, but for those to which llama.cpp adds 1.
func sameBits(t *testing.T, want, got *model.Model) {
	t.Helper()
	other := map[string]*model.Weight{}
	got.Weights(func(w *model.Weight) { other[w.Name] = w })
	want.Weights(func(w *model.Weight) {
		o := other[w.Name]
		if o == nil {
			t.Errorf("no %s", w.Name)
			return
		}
		v, within := o.Values(""), 0.0
		if bytes.Contains(want.ConfigJSON, []byte(`"gemma`)) && len(w.Shape) == 1 {
			within = 1.0 / (1 << 23) // the spacing of float32 from 1 to 2
		}
		for i, x := range w.Values("") {
			if math.Abs(float64(x-v[i])) > within {
				t.Errorf("%s: value %d is %g, was %g", w.Name, i, v[i], x)
				return
			}
		}
	})
}

// TestGGUFEncoder does it with a BERT.
func TestGGUFEncoder(t *testing.T) {
	dir := tiny.Encoder(t)
	out := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: out}); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("a folder without tokenizer.json: %v", err)
	}
	var vocab []string
	for i, word := range tiny.Vocabulary() {
		vocab = append(vocab, fmt.Sprintf("%q: %d", word, i))
	}
	tiny.Write(t, filepath.Join(dir, "tokenizer.json"), `{"version": "1.0", "added_tokens": [], "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
		"pre_tokenizer": {"type": "BertPreTokenizer"}, "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
		"max_input_chars_per_word": 100, "vocab": {`+strings.Join(vocab, ", ")+`}}}`)
	r, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: out})
	if err != nil || r.Largest > 1e-5 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestGGUFTypes quantizes: the error falls with the bits, and the file's types are those that were asked for.
func TestGGUFTypes(t *testing.T) {
	dir, last := decoderFolder(t, "llama", ""), 1e9
	for _, typ := range []string{"Q4_0", "Q8_0", "F16"} {
		out := filepath.Join(t.TempDir(), "m.gguf")
		r, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: out, Type: typ})
		if err != nil {
			t.Fatal(err)
		}
		if r.Type != typ || r.Largest >= last || r.Largest == 0 {
			t.Errorf("%s: largest change %g after %g", typ, r.Largest, last)
		}
		last = r.Largest
		f, err := gguf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := f.Get("blk.1.attn_q.weight"); !ok || w.Type.String() != typ {
			t.Errorf("attn_q has %s, want %s", w.Type, typ)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again.gguf")
		if r, err = GGUF(t.Context(), GGUFOptions{Model: out, Output: again}); err != nil || r.Largest != 0 {
			t.Errorf("%s in its own types: %+v, %v", typ, r, err)
		}
	}
}

// stirAdapter saves an adapter with random values.
func stirAdapter(t *testing.T, base, method string, settings map[string]any) string {
	t.Helper()
	m := tiny.Load(t, base)
	way, err := adapter.New(method, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.Attach(t.Context(), m, "x", way, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] += float32(i%7-3) * 0.02
		}
	}
	a.ParamsChanged()
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

type loraCase struct {
	name, method string
	settings     map[string]any
	exact        bool
}

var loras = []loraCase{
	{"lora", "lora", map[string]any{"r": 4}, true}, {"rslora", "rslora", map[string]any{"r": 4}, true},
	{"patterns", "lora", map[string]any{"r": 4, "rank_pattern": map[string]any{"q_proj": 2}, "alpha_pattern": map[string]any{"v_proj": 32}}, true},
	{"mora1", "mora", map[string]any{"r": 2, "mora_type": 1}, true}, {"mora6", "mora", map[string]any{"r": 2, "mora_type": 6}, true},
	{"vera", "vera", map[string]any{"r": 8}, true}, {"dora", "dora", map[string]any{"r": 4}, false},
}

// TestLoRA: the plain LoRA has the adapter's logits, from its folder too.
func TestLoRA(t *testing.T) {
	for _, tt := range loras {
		t.Run(tt.name, func(t *testing.T) {
			base := decoderFolder(t, "llama", "")
			dir, out := stirAdapter(t, base, tt.method, tt.settings), filepath.Join(t.TempDir(), "plain")
			r, err := LoRA(t.Context(), LoRAOptions{Model: base, Adapter: dir, Output: out})
			if err != nil {
				t.Fatal(err)
			}
			if r.Exact != tt.exact || tt.exact && r.Largest > 1e-4*r.Scale || len(r.Layers) == 0 {
				t.Errorf("%+v", r)
			}
			before, err := infer.Open(t.Context(), base, dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = before.Close() }()
			o, err := measure(t.Context(), before, "")
			if err != nil {
				t.Fatal(err)
			}
			after, err := infer.Open(t.Context(), base, out)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = after.Close() }()
			e, err := o.against(t.Context(), after)
			if err != nil || tt.exact && e.Largest > 1e-4*e.Scale {
				t.Errorf("opened again: %+v, %v", e, err)
			}
		})
	}
}

// TestDifference: what a model has beyond its base, as plain LoRA, has the model's logits, at the rank of the update.
func TestDifference(t *testing.T) {
	base := decoderFolder(t, "llama", "")
	dir := t.TempDir()
	tuned, out := filepath.Join(dir, "tuned"), filepath.Join(dir, "plain")
	if _, err := Merge(t.Context(), base, stirAdapter(t, base, "lora", map[string]any{"r": 4, "target_modules": []string{"q_proj", "up_proj"}}), tuned, ""); err != nil {
		t.Fatal(err)
	}
	r, err := LoRA(t.Context(), LoRAOptions{Model: base, Adapter: tuned, Output: out, LowRankOptions: adapter.LowRankOptions{Error: 1e-4}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Layers) != 2 || r.Layers[0].Rank != 4 || r.Layers[1].Rank != 4 || r.Exact || r.Error > 1e-4 || r.Largest > 1e-4*r.Scale || r.LossBefore == 0 {
		t.Errorf("%+v", r)
	}
	other := decoderFolder(t, "llama", `, "rms_norm_eps": 1e-5`)
	for _, tt := range []struct{ base, tuned, want string }{
		{base, base, "has the weights of its base"},
		{tuned, decoderFolder(t, "llama", `, "hidden_size": 32`), "must have one shape"},
		{base, stirNorm(t, other), "model.norm.weight differs"},
	} {
		failed := filepath.Join(dir, "failed")
		if _, err := LoRA(t.Context(), LoRAOptions{Model: tt.base, Adapter: tt.tuned, Output: failed}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
		if _, err := os.Stat(failed); err == nil {
			t.Error("a folder was written")
		}
	}
}

// stirNorm is a model's folder with another last norm.
func stirNorm(t *testing.T, dir string) string {
	t.Helper()
	m := tiny.Load(t, dir)
	m.Weights(func(w *model.Weight) {
		if w.Name == "model.norm.weight" {
			v := w.Values("")
			v[0]++
			w.SetValues(v)
		}
	})
	out := filepath.Join(t.TempDir(), "stirred")
	if err := m.Save(t.Context(), out, "", ""); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLoRAGGUF reads the tensors back: their product times alpha over the rank is ΔW, with its rows in llama.cpp's order.
func TestLoRAGGUF(t *testing.T) {
	base := decoderFolder(t, "llama", "")
	dir := stirAdapter(t, base, "lora", map[string]any{"r": 4, "use_rslora": true, "rank_pattern": map[string]any{"q_proj": 2}})
	out := filepath.Join(t.TempDir(), "lora.gguf")
	if _, err := LoRAGGUF(t.Context(), LoRAOptions{Model: base, Adapter: dir, Output: out}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s, err := infer.Open(t.Context(), base, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	alpha, err := f.Metadata().Float("adapter.lora.alpha")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.Attached.Layers() {
		hf := l.Path()[strings.LastIndexByte(l.Path(), '.')+1:]
		name := map[string]string{"q_proj": "attn_q", "down_proj": "ffn_down"}[hf]
		if name == "" || !strings.Contains(l.Path(), "layers.1.") {
			continue
		}
		a, b := values(t, f, "blk.1."+name+".weight.lora_a"), values(t, f, "blk.1."+name+".weight.lora_b")
		rows, cols := l.Dims()
		r := len(a) / cols
		want, base := make([]float32, cols), make([]float32, cols)
		for i := range rows {
			row := i
			if hf == "q_proj" { // heads of 16: row 2j is row j, row 2j+1 is row j+8
				row = i/16*16 + i%16/2 + i%2*8
			}
			l.Source(s.Adapter).Block(want, cols, row, 0, 1, cols)
			l.Weight.Source("").Block(base, cols, row, 0, 1, cols)
			for j := range cols {
				sum := 0.0
				for k := range r {
					sum += float64(b[i*r+k]) * float64(a[k*cols+j])
				}
				if got, want := sum*alpha/float64(r), float64(want[j]-base[j]); got-want > 1e-5 || want-got > 1e-5 {
					t.Fatalf("%s: ΔW[%d,%d] is %g, want %g", name, i, j, got, want)
				}
			}
		}
	}
}

func values(t *testing.T, f *gguf.File, name string) []float32 {
	t.Helper()
	x, ok := f.Get(name)
	if !ok {
		t.Fatalf("no %s among %v", name, f.Names())
	}
	v, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestWrongGGUF: what cannot be is one clear error, and leaves no file.
func TestWrongGGUF(t *testing.T) {
	base := decoderFolder(t, "llama", `, "tie_word_embeddings": true`)
	there := tiny.Write(t, filepath.Join(t.TempDir(), "there.gguf"), "x")
	out := filepath.Join(t.TempDir(), "m.gguf")
	head := stirAdapter(t, base, "lora", map[string]any{"r": 2, "target_modules": []string{"lm_head"}})
	for _, tt := range []struct {
		want string
		run  func() error
	}{
		{"ends in .gguf", func() error { _, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: t.TempDir()}); return err }},
		{"exists already", func() error { _, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: there}); return err }},
		{"Q2_K is not written", func() error {
			_, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: out, Type: "Q2_K"})
			return err
		}},
		{"did you mean Q4_K_M", func() error {
			_, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: out, Type: "Q4KM"})
			return err
		}},
		{"no adapter is named", func() error { _, err := LoRAGGUF(t.Context(), LoRAOptions{Model: base, Output: out}); return err }},
		{"merge the adapter", func() error {
			_, err := LoRAGGUF(t.Context(), LoRAOptions{Model: base, Adapter: head, Output: out})
			return err
		}},
	} {
		if err := tt.run(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v; want one line with %q", err, tt.want)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file is left")
	}
	bart := tiny.EncoderDecoder(t)
	if _, err := GGUF(t.Context(), GGUFOptions{Model: bart, Output: out}); !errors.Is(err, llamacpp.ErrUnsupported) {
		t.Errorf("BART: %v", err)
	}
}

// TestNewFile: what stands in the way is said before anything is converted, and stays as it is.
func TestNewFile(t *testing.T) {
	dir := t.TempDir()
	own := tiny.Write(t, filepath.Join(dir, "own.Modelfile"), "FROM llama3")
	for _, tt := range []struct{ output, want string }{
		{filepath.Join(dir, "own.gguf"), "own.Modelfile exists already"},
		{filepath.Join(dir, "nodir", "x.gguf"), "there is no folder " + filepath.Join(dir, "nodir")},
		{filepath.Join(own, "x.gguf"), "there is no folder " + own},
	} {
		for name, run := range map[string]func() error{
			"gguf": func() error { _, err := GGUF(t.Context(), GGUFOptions{Model: "absent", Output: tt.output}); return err },
			"lora-gguf": func() error {
				_, err := LoRAGGUF(t.Context(), LoRAOptions{Model: "absent", Output: tt.output})
				return err
			},
		} {
			if err := run(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s to %s: %v; want %q", name, tt.output, err, tt.want)
			}
		}
	}
	if raw, err := os.ReadFile(own); err != nil || string(raw) != "FROM llama3" {
		t.Errorf("the Modelfile became %q, %v", raw, err)
	}
}

// TestBaseOfGGUF: files name the base that they are made from, whatever it names as its own.
func TestBaseOfGGUF(t *testing.T) {
	folder, dir := decoderFolder(t, "llama", ""), t.TempDir()
	trained := stirAdapter(t, folder, "lora", map[string]any{"r": 2})
	base := filepath.Join(dir, "b.gguf")
	if _, err := GGUF(t.Context(), GGUFOptions{Model: folder, Output: filepath.Join(dir, "first.gguf")}); err != nil {
		t.Fatal(err)
	}
	changed(t, filepath.Join(dir, "first.gguf"), base, map[string]any{"general.name": "My Base", "general.repo_url": "https://example.org/base",
		"general.base_model.0.name": "its own base", "general.base_model.0.doi": "10.1/1"})
	for _, tt := range []struct{ name, model, want string }{
		{"of a folder", folder, "decoder"}, {"of a file", base, "My Base"}, {"embedded", infer.Embedded, "embedded"},
	} {
		of := trained
		if tt.model == infer.Embedded {
			embedded, err := infer.ModelDir(infer.Embedded)
			if err != nil {
				t.Fatal(err)
			}
			of = stirAdapter(t, embedded, "lora", map[string]any{"r": 2})
		}
		merged, lora := filepath.Join(dir, tt.want+" merged.gguf"), filepath.Join(dir, tt.want+" lora.gguf")
		if _, err := GGUF(t.Context(), GGUFOptions{Model: tt.model, Adapter: of, Output: merged}); err != nil {
			t.Fatal(err)
		}
		if _, err := LoRAGGUF(t.Context(), LoRAOptions{Model: tt.model, Adapter: of, Output: lora}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{merged, lora} {
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			m := f.Metadata()
			name, err := m.String("general.base_model.0.name")
			url, _ := m.String("general.base_model.0.repo_url")
			if n, err2 := m.Int("general.base_model.count"); err != nil || err2 != nil || n != 1 || name != tt.want || (url == "https://example.org/base") != (tt.model == base) ||
				m.Has("general.base_model.0.doi") {
				t.Errorf("%s: %d bases, %q at %q (%v, %v); want %q", path, n, name, url, err, err2, tt.want)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestNameOfHubAdapter: an adapter in the Hub's cache is named by its id, not by its commit.
func TestNameOfHubAdapter(t *testing.T) {
	folder, dir := decoderFolder(t, "llama", ""), t.TempDir()
	cached := filepath.Join(dir, "models--org--my-adapter", "snapshots", strings.Repeat("0123456789", 4))
	if err := os.CopyFS(cached, os.DirFS(stirAdapter(t, folder, "lora", map[string]any{"r": 2}))); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "lora.gguf")
	if _, err := LoRAGGUF(t.Context(), LoRAOptions{Model: folder, Adapter: cached, Output: out}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if name, err := f.Metadata().String("general.name"); err != nil || name != "org/my-adapter" {
		t.Errorf("it is called %q, %v", name, err)
	}
}

// changed copies a GGUF file, with other values of some keys.
func changed(t *testing.T, from, to string, keys map[string]any) {
	t.Helper()
	f, err := gguf.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	m := f.Metadata()
	for key, value := range keys {
		m.Set(key, value)
	}
	var entries []gguf.Entry
	for _, x := range f.Tensors() {
		entries = append(entries, x.Entry())
	}
	if err := gguf.Write(t.Context(), to, m, entries); err != nil {
		t.Fatal(err)
	}
}

// TestLoRAModelfile: the Modelfile of a LoRA in another folder than its base names a base that is there.
func TestLoRAModelfile(t *testing.T) {
	base, dir := decoderFolder(t, "llama", ""), t.TempDir()
	trained := stirAdapter(t, base, "lora", map[string]any{"r": 2})
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(base))
	r, err := LoRAGGUF(t.Context(), LoRAOptions{Model: "decoder", Adapter: trained, Output: filepath.Join(dir, "out", "run.gguf")})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(r.Modelfile.Path)
	if err != nil {
		t.Fatal(err)
	}
	_, from, _ := strings.Cut(string(raw), "\nFROM ")
	from, _, _ = strings.Cut(from, "\n")
	if !filepath.IsAbs(from) {
		from = filepath.Join(dir, "out", from)
	}
	if _, err := os.Stat(filepath.Join(from, "config.json")); err != nil || !strings.Contains(string(raw), "\nADAPTER ./run.gguf\n") {
		t.Errorf("%v:\n%s", err, raw)
	}
}

// TestFallbacksAreReported: rows of 64 and 96 values have no blocks of 256.
func TestFallbacksAreReported(t *testing.T) {
	dir := decoderFolder(t, "llama", "")
	for typ, want := range map[string]string{"Q4_K_M": "have rows that 256 does not divide: Q5_0 (", "Q8_0": ""} {
		r, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: filepath.Join(t.TempDir(), "m.gguf"), Type: typ})
		if err != nil || !strings.Contains(r.Fallbacks, want) || want == "" && r.Fallbacks != "" {
			t.Errorf("%s: %q, %v; want %q", typ, r.Fallbacks, err, want)
		}
	}
}

// TestOtherBase: every report says that an adapter was trained on another base.
func TestOtherBase(t *testing.T) {
	base := decoderFolder(t, "llama", "")
	own := stirAdapter(t, base, "lora", map[string]any{"r": 2})
	other := stirAdapter(t, stirNorm(t, base), "lora", map[string]any{"r": 2})
	reports := map[string]func(adapterDir, out string) ([]string, error){
		"gguf": func(dir, out string) ([]string, error) {
			r, err := GGUF(t.Context(), GGUFOptions{Model: base, Adapter: dir, Output: out + ".gguf"})
			return r.Notes, err
		},
		"lora-gguf": func(dir, out string) ([]string, error) {
			r, err := LoRAGGUF(t.Context(), LoRAOptions{Model: base, Adapter: dir, Output: out + ".gguf"})
			return r.Notes, err
		},
		"lora": func(dir, out string) ([]string, error) {
			r, err := LoRA(t.Context(), LoRAOptions{Model: base, Adapter: dir, Output: out})
			return r.Notes, err
		},
		"combine": func(dir, out string) ([]string, error) {
			r, err := Combine(t.Context(), CombineOptions{Model: base, Adapters: []WeightedFolder{{own, 1}, {dir, 1}}, Output: out, CombineOptions: adapter.CombineOptions{How: "cat"}})
			return r.Notes, err
		},
	}
	for name, report := range reports {
		notes, err := report(own, filepath.Join(t.TempDir(), "own"))
		if err != nil || len(notes) > 0 {
			t.Errorf("%s of its own base: %q, %v", name, notes, err)
		}
		notes, err = report(other, filepath.Join(t.TempDir(), "other"))
		if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "another base") {
			t.Errorf("%s of another base: %q, %v", name, notes, err)
		}
	}
}

// TestWrongKeys: errors name the file and its keys, and not only the files of a folder that these stand for.
func TestWrongKeys(t *testing.T) {
	first := filepath.Join(t.TempDir(), "first.gguf")
	if _, err := GGUF(t.Context(), GGUFOptions{Model: decoderFolder(t, "llama", ""), Output: first}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"tokenizer.ggml.merges", []string{"a nowhere"}, "whose keys tokenizer.ggml.* stand for tokenizer.json"},
		{"tokenizer.ggml.pre", "other", "whose keys tokenizer.ggml.* stand for tokenizer.json"},
		{"llama.feed_forward_length", uint32(64), "for which the metadata of the GGUF file stand"},
	} {
		path := filepath.Join(t.TempDir(), "changed.gguf")
		changed(t, first, path, map[string]any{tt.key: tt.value})
		s, err := infer.Open(t.Context(), path, "")
		if err == nil {
			_, err = s.Tokenizer()
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want %q and the file's name", tt.key, err, tt.want)
		}
	}
}

// TestGGUFWithOtherTokens: a GGUF file is opened with more or fewer tokens, as a folder is.
func TestGGUFWithOtherTokens(t *testing.T) {
	for _, more := range []string{"", `, "tie_word_embeddings": true`} {
		dir := decoderFolder(t, "llama", more)
		file := filepath.Join(t.TempDir(), "m.gguf")
		if _, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: file}); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{256, 261, 250} {
			want := map[string][]float32{}
			for _, path := range []string{dir, file} {
				m, err := model.Load(t.Context(), path, model.Options{VocabSize: n})
				if err != nil {
					t.Fatal(err)
				}
				checked := 0
				m.Weights(func(w *model.Weight) {
					if w.Shape[0] != n || w.Tied() != nil {
						return
					}
					checked++
					got := w.Values("")
					if path == dir {
						want[w.Name] = got
					} else if d := golden.MaxAbs(got, want[w.Name]); len(got) != len(want[w.Name]) || d > 1e-6 {
						t.Errorf("%s, %d tokens: %s differs by %g", more, n, w.Name, d)
					}
				})
				if checked == 0 {
					t.Errorf("%s: %d weights have a row for each token", more, checked)
				}
				_ = m.Close()
			}
		}
	}
}
