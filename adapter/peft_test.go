package adapter

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// pythonEnv names a Python with torch, transformers and peft; peftCountEnv how many adapters of each model are tried.
const (
	pythonEnv    = "SPAGOTUNE_PYTHON"
	peftCountEnv = "SPAGOTUNE_PEFT_COUNT"
)

// peftScript returns a call of one of the golden scripts that use PEFT, and how many adapters of each model it is for.
func peftScript(t *testing.T) (run func(name string, arguments ...string), count int) {
	t.Helper()
	python := os.Getenv(pythonEnv)
	if python == "" {
		t.Skipf("set %s to a Python with torch, transformers and peft", pythonEnv)
	}
	count = 4
	if n := os.Getenv(peftCountEnv); n != "" {
		if _, err := fmt.Sscan(n, &count); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string, arguments ...string) {
		t.Helper()
		script := filepath.Join(golden.Repository(t), "scripts", "golden", name)
		cmd := exec.CommandContext(t.Context(), python, append([]string{script}, arguments...)...)
		cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "TRANSFORMERS_VERBOSITY=error", "HF_HUB_DISABLE_PROGRESS_BARS=1", "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}, count
}

// TestOpensPEFTs opens random adapters of every method that PEFT has, on models of every kind, as PEFT writes them.
func TestOpensPEFTs(t *testing.T) {
	python, count := peftScript(t)
	root := t.TempDir()
	python("peft_random.py", root, fmt.Sprint(count), fmt.Sprint(count))
	bases, err := filepath.Glob(filepath.Join(root, "peft", "*", "base"))
	if err != nil || bases == nil {
		t.Fatalf("no models are made: %v", err)
	}
	for _, base := range bases {
		configs, err := filepath.Glob(filepath.Join(filepath.Dir(base), "*", configFile))
		if err != nil || configs == nil {
			t.Fatalf("%s: no adapters are made: %v", base, err)
		}
		for _, c := range configs {
			dir := filepath.Dir(c)
			t.Run(filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir), func(t *testing.T) { testPEFT(t, base, dir) })
		}
	}
}

// TestOpensInPEFT writes random adapters of every method that PEFT has, on models of every kind, and opens them in PEFT.
func TestOpensInPEFT(t *testing.T) {
	python, count := peftScript(t)
	root, seed := t.TempDir(), uint64(count)
	for _, name := range []string{"llama-tied", "llama-untied", "masked-bert", "tagger-bert", "seqcls-bert", "qa-bert", "seq2seq-bart", "plain-bert", "plain-llama"} {
		base := peftBase(t, filepath.Join(root, name), name)
		for i := range count {
			writeForPEFT(t, layerRand(seed, fmt.Sprint(name, i)), base, filepath.Join(root, name, fmt.Sprint(i)))
		}
	}
	python("peft_opens.py", root)
}

// peftBase puts a model's folder at dir/base.
func peftBase(t *testing.T, dir, name string) string {
	t.Helper()
	base := filepath.Join(dir, "base")
	if known := filepath.Join(golden.Repository(t), "testdata", "golden", "peft", name, "base"); exists(known) {
		if err := os.CopyFS(base, os.DirFS(known)); err != nil {
			t.Fatal(err)
		}
		return base
	}
	class := map[string]string{"seqcls-bert": "BertForSequenceClassification", "qa-bert": "BertForQuestionAnswering", "plain-bert": "BertModel"}[name]
	config := fmt.Sprintf(`{"model_type": "bert", "architectures": [%q], "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
		"num_attention_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.2%s, "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}`, class, map[bool]string{true: `, "id2label": {"0": "a", "1": "b", "2": "c"}`}[name == "seqcls-bert"])
	switch name {
	case "seq2seq-bart":
		config = `{"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "vocab_size": 40, "d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
			"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64, "init_std": 0.2,
			"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}`
	case "plain-llama":
		config = `{"model_type": "llama", "architectures": ["LlamaModel"], "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
			"num_attention_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.2, "tie_word_embeddings": false, "rms_norm_eps": 1e-5}`
	}
	m, err := model.New([]byte(config), model.Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(t.Context(), base, "", ""); err != nil {
		t.Fatal(err)
	}
	return base
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writeForPEFT writes a random adapter, and what comes out of the model with it.
func writeForPEFT(t *testing.T, rng *rand.Rand, base, dir string) {
	t.Helper()
	m := loadModel(t, base)
	var a *Adapter
	for a == nil {
		name, settings := randomSettings(rng, m)
		method, err := New(name, settings)
		if err == nil {
			a, err = Attach(t.Context(), m, "a", method, rng.Uint64())
		}
		if err != nil {
			t.Logf("%s %v: %v", name, settings, err) // settings that do not go together
			continue
		}
		t.Logf("%s: %s %v", dir[len(filepath.Dir(filepath.Dir(dir))):], name, settings)
	}
	for _, p := range a.Params() {
		d := op.Data(p.Param)
		for i, v := range random(rng, d.Rows, d.Cols).Data {
			d.Data[i] += 0.2 * v
		}
	}
	a.ParamsChanged()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, 11)
	b := &model.Batch{}
	for i := range ids {
		ids[i] = int64(3 + rng.IntN(37))
		b.IDs = append(b.IDs, int32(ids[i]))
	}
	io := []checkpoint.Tensor{checkpoint.I64("input_ids", ids, 1, len(ids))}
	if m.Head().Kind == head.Seq2SeqLM {
		b.Labels = append(b.Labels, b.IDs[:7]...)
		io = append(io, checkpoint.I64("labels", ids[:7], 1, 7))
	}
	err := op.Inference("a", func(p *op.Pass) error {
		run := func() (tensor.Matrix, error) { return m.Logits(p, b, nil, nil) }
		if m.Head().Kind == head.FeatureExtraction {
			run = func() (tensor.Matrix, error) { return m.LastHiddenState(p, b) }
		}
		y, err := run()
		if err != nil {
			return err
		}
		io = append(io, checkpoint.F32("output", slices.Clone(y.Data), y.Rows, y.Cols))
		return checkpoint.Write(filepath.Join(dir, "io.safetensors"), io, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Linears(func(l *model.Linear) {
		if l.Bias == nil && l.AddsBias("a") {
			err = a.Merge(t.Context())
			if err == nil {
				t.Error("a bias was merged into a layer that has none")
			}
		}
	})
}

// randomSettings are a method and settings for it, which may not go together.
func randomSettings(rng *rand.Rand, m *model.Model) (string, map[string]any) {
	pick := func(list ...any) any { return list[rng.IntN(len(list))] }
	maybe := func(n int) bool { return rng.IntN(n) == 0 }
	name := pick("lora", "lora", "lora", "rslora", "loraplus", "asylora", "dora", "dora", "adalora", "vera", "ia3", "pissa", "olora").(string)
	_, llama := m.Backbone.(interface{ Llama() }) // no such method: by the names
	linears, tables, others := []string{"query", "value", "output.dense", "intermediate.dense"}, []string{"word_embeddings", "token_type_embeddings"}, []any{"LayerNorm", "output.LayerNorm", "embeddings.LayerNorm"}
	m.Linears(func(l *model.Linear) { llama = llama || strings.HasSuffix(l.Path(), "q_proj") })
	switch {
	case m.Head().Kind == head.Seq2SeqLM:
		linears, tables, others = []string{"q_proj", "encoder_attn.v_proj", "out_proj", "fc1"}, []string{"decoder.embed_tokens", "embed_tokens"}, []any{"layer_norm", "layernorm_embedding", "1.final_layer_norm"}
	case llama:
		linears, tables, others = []string{"q_proj", "v_proj", "o_proj", "down_proj", "mlp.up_proj"}, []string{"embed_tokens"}, []any{"norm", "input_layernorm", "post_attention_layernorm", "embed_tokens", "lm_head"}
	}
	keys := Keys(name)
	s := map[string]any{}
	set := func(key string, value any) {
		if slices.Contains(keys, key) {
			s[key] = value
		}
	}
	targets := slices.Clone(linears)
	rng.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	targets = targets[:1+rng.IntN(3)]
	low := slices.Contains([]string{"lora", "rslora", "loraplus", "dora"}, name)
	if low && maybe(3) {
		targets = append(targets, tables[rng.IntN(len(tables))])
	}
	switch {
	case maybe(5) && name != "vera" && name != "ia3":
		s["target_modules"] = "all-linear"
	case maybe(5):
		s["target_modules"] = `.*(` + strings.ReplaceAll(strings.Join(targets, "|"), ".", `\.`) + `)`
	case name == "vera" && llama:
		s["target_modules"] = []string{"v_proj", linears[2]}
	default:
		s["target_modules"] = targets
	}
	set("r", 1+rng.IntN(4))
	set("lora_alpha", 1+rng.IntN(9))
	set("bias", pick("none", "none", "all", map[bool]string{true: "vera_only", false: "lora_only"}[name == "vera"]))
	set("use_rslora", maybe(3) || name == "rslora")
	set("lora_bias", maybe(4))
	if list, ok := s["target_modules"].([]string); ok {
		if maybe(3) {
			set("layers_to_transform", pick([]int{0}, []int{1}, []int{0, 1}))
		}
		if maybe(2) && name != "adalora" {
			set("rank_pattern", map[string]int{list[0]: 1 + rng.IntN(3)})
			set("alpha_pattern", map[string]float64{list[0]: float64(1 + rng.IntN(5))})
		}
		if name == "ia3" {
			s["feedforward_modules"] = list[:rng.IntN(len(list)+1)]
		}
	}
	if maybe(4) {
		set("exclude_modules", []string{pick("0.attention.self.query", "layers.1.self_attn.q_proj").(string)})
	}
	if maybe(3) {
		set("modules_to_save", []any{pick(others...)})
	}
	if maybe(4) && !slices.Contains(targets, tables[0]) && m.Head().Kind != head.MaskedLM && m.Head().Kind != head.Seq2SeqLM { // PEFT drops the bias of a tied head
		set("trainable_token_indices", pick([]int{3, 7}, map[string][]int{tables[0]: {5}}))
	}
	return name, s
}
