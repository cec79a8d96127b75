package model_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

type keys = map[string]any

// sizes are the keys of config.json that the suite tries for a model type, one entry after the other, beside those that all
// have. An architecture that takes one of these needs no entry of its own.
var sizes = []keys{ // all experts see every token: which of them do jumps where differences are taken
	{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
		"moe_intermediate_size": 12, "shared_expert_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 4},
	{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
		"num_local_experts": 4, "num_experts_per_tok": 4},
	{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
		"partial_rotary_factor": 1, "full_attention_interval": 2, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 12,
		"linear_value_head_dim": 6},
	{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6},
	{"hidden_size": 24, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
		"partial_rotary_factor": 1},
	{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4},
	{"hidden_size": 24, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4},
	{"dim": 20, "hidden_dim": 28, "n_layers": 2, "n_heads": 4},
	{"n_embd": 20, "n_inner": 28, "n_layer": 2, "n_head": 4, "n_positions": 24},
	{"text_config": keys{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
		"head_dim": 6, "max_position_embeddings": 24, "pad_token_id": 0}},
	{"d_model": 20, "d_kv": 6, "d_ff": 28, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 2},
	{"d_model": 20, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 28, "decoder_ffn_dim": 24, "encoder_attention_heads": 2,
		"decoder_attention_heads": 4, "decoder_start_token_id": 2, "init_std": 0.2},
}

// variants are further keys, which some architectures have.
var variants = map[string]keys{
	"yarn rope":        {"rope_parameters": ropes["yarn"]},
	"window":           {"sliding_window": 3},
	"windows by index": {"sliding_window": 3, "use_sliding_window": true, "max_window_layers": 1},
	"windows by type":  {"sliding_window": 3, "layer_types": []string{"sliding_attention", "full_attention"}},
	"biases":           {"attention_bias": true},
	"MLP's biases":     {"mlp_bias": true},
	"partial rope":     {"partial_rotary_factor": 0.7},
	"soft caps":        {"attn_logit_softcapping": 0.5, "final_logit_softcapping": 0.7},
	"query norms":      {"qk_layernorm": true},
	"parallel halves":  {"use_parallel_residual": true},
	"multipliers":      {"embedding_multiplier": 1.5, "logits_scaling": 0.5, "residual_multiplier": 0.6, "attention_multiplier": 0.3},
	"local attention":  {"local_attention": 4},
	"disentangled":     {"relative_attention": true, "pos_att_type": []string{"p2c", "c2p"}, "position_buckets": 4, "norm_rel_ebd": "layer_norm"},
	"pooled late":      {"classifier_pooling": "mean"},
	"layers no rope":   {"no_rope_layers": []int{0, 1}},
	"tied":             {"tie_word_embeddings": true},
	"untied":           {"tie_word_embeddings": false},
	"narrow words":     {"embedding_size": 12},
	"SiLU":             {"hidden_act": "silu"},
	"gated":            {"feed_forward_proj": "gated-gelu"},
	"scaled words":     {"scale_embedding": true},
	"two tables":       {"share_encoder_decoder_embeddings": false, "decoder_vocab_size": 36},
}

// ropes are rope_parameters of each rope_type.
var ropes = map[string]keys{
	"default": {"rope_type": "default", "rope_theta": 100},
	"linear":  {"rope_type": "linear", "rope_theta": 100, "factor": 2.5},
	"llama3": {"rope_type": "llama3", "rope_theta": 100, "factor": 4, "low_freq_factor": 1, "high_freq_factor": 3,
		"original_max_position_embeddings": 32},
	"yarn": {"rope_type": "yarn", "rope_theta": 100, "factor": 4, "original_max_position_embeddings": 8, "beta_fast": 2, "beta_slow": 0.25},
	"longrope": {"rope_type": "longrope", "rope_theta": 100, "short_factor": []float64{1, 1.2, 1.5}, "long_factor": []float64{1.5, 2, 4},
		"original_max_position_embeddings": 4},
}

// heads are those of every kind.
func heads() []head.Config {
	var all []head.Config
	for _, k := range model.Kinds() {
		switch k {
		case head.SequenceClassification:
			all = append(all, head.Config{Kind: k, Labels: []string{"a", "b", "c"}}, head.Config{Kind: k, Labels: []string{"a"}},
				head.Config{Kind: k, Labels: []string{"a", "b"}, ProblemType: head.MultiLabel})
		case head.TokenClassification:
			all = append(all, head.Config{Kind: k, Labels: []string{"a", "b", "c"}})
		default:
			all = append(all, head.Config{Kind: k})
		}
	}
	return all
}

// config is a config.json for a small model of a type; ok says that the type has all those keys.
func config(t *testing.T, modelType string, more keys) (raw []byte, ok bool) {
	t.Helper()
	for _, s := range sizes {
		c := keys{"model_type": modelType, "vocab_size": 40, "max_position_embeddings": 24, "initializer_range": 0.2, "pad_token_id": 0, "eos_token_id": 2}
		maps.Copy(c, s)
		if raw := marshal(t, c); accepted(raw) {
			maps.Copy(c, more)
			raw = marshal(t, c)
			_, err := model.NewMeta(raw)
			if err != nil && !errors.Is(err, model.ErrUnsupported) {
				t.Errorf("%v: %v; want model.ErrUnsupported", more, err)
			}
			return raw, err == nil
		}
	}
	t.Fatalf("%s takes none of sizes", modelType)
	return nil, false
}

// configWith is config with the keys maybe too, where the type has them.
func configWith(t *testing.T, modelType string, more, maybe keys) (raw []byte, ok bool) {
	t.Helper()
	all := maps.Clone(maybe)
	maps.Copy(all, more)
	if raw, ok := config(t, modelType, all); ok {
		return raw, true
	}
	return config(t, modelType, more)
}

func accepted(raw []byte) bool {
	_, err := model.NewMeta(raw)
	return err == nil
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// stirred is a model with random weights, of which the norms are not 1 and the biases not 0.
func stirred(t *testing.T, raw []byte, o model.Options) *model.Model {
	t.Helper()
	o.Seed = 5
	m, err := model.New(raw, o)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	m.Weights(func(w *model.Weight) {
		if w.Tied() != nil || w.Buffer() || len(w.Shape) == 2 {
			return
		}
		v := w.Values("")
		for i := range v {
			v[i] += float32(rng.NormFloat64()) / 10
		}
		w.SetValues(v)
	})
	return m
}

// eachModel runs a test for every architecture: with each head that it takes, with each variant that it has, and with each
// way to compute. With -short there are no variants.
func eachModel(t *testing.T, f func(t *testing.T, m *model.Model)) {
	conformance.Do(func() { conforming = everyModel(t) })
	if len(conforming) == 0 {
		t.Fatal("there are no models; the first test of them says why")
	}
	for _, c := range conforming {
		t.Run(c.name, func(t *testing.T) { f(t, stirred(t, c.raw, c.options)) })
	}
}

// conforming are the models of the conformance tests. They are looked for once, since that takes as long as some of the tests.
var (
	conformance sync.Once
	conforming  []conformingModel
)

type conformingModel struct {
	name    string
	raw     []byte
	options model.Options
}

// everyModel lists what eachModel runs.
func everyModel(t *testing.T) []conformingModel {
	t.Helper()
	var all []conformingModel
	taken := map[string]bool{}
	add := func(modelType, name string, raw []byte, o model.Options) {
		taken[name] = true
		all = append(all, conformingModel{modelType + "/" + name, raw, o})
	}
	for _, modelType := range model.Architectures() {
		raw, ok := config(t, modelType, nil)
		if !ok {
			continue
		}
		for _, h := range heads() {
			if _, err := model.New(raw, model.Options{Head: h}); err == nil {
				name := string(h.Kind)
				if h.Kind == head.SequenceClassification {
					name += ", " + h.Problem()
				}
				add(modelType, name, raw, model.Options{Head: h})
			} else if !errors.Is(err, model.ErrUnsupported) {
				t.Errorf("%s with a head for %s: %v; want model.ErrUnsupported", modelType, h.Kind, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(variants)) {
			if testing.Short() {
				taken[name] = true
				continue
			}
			if raw, ok := config(t, modelType, variants[name]); ok {
				add(modelType, name, raw, model.Options{})
			}
		}
		if _, err := model.New(raw, model.Options{Numerics: model.Cybertron}); err == nil {
			add(modelType, model.Cybertron, raw, model.Options{Numerics: model.Cybertron})
		} else if !errors.Is(err, model.ErrUnsupported) {
			t.Errorf("%s: %v; want model.ErrUnsupported", modelType, err)
		}
	}
	for name := range variants {
		if !taken[name] {
			t.Errorf("no architecture has %v", variants[name])
		}
	}
	return all
}

// documents are four documents with labels for the model's head.
func documents(m *model.Model) *model.Batch {
	h, rng := m.Head(), rand.New(rand.NewPCG(3, 4))
	out := m.Config().VocabSize
	if h.Out != nil {
		out, _ = h.Out.Dims()
	}
	b := &model.Batch{CuSeqLens: []int{0}}
	for d, n := range []int{6, 2, 9, 4} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(3 + rng.IntN(min(out+20, m.Config().VocabSize)-3))
		}
		h.EndDocument(ids)
		b.IDs = append(b.IDs, ids...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
		label(b, h, rng, d, ids, out)
	}
	if n := m.Config().TypeVocabSize; n > 1 {
		for i := range b.IDs {
			b.TokenTypeIDs = append(b.TokenTypeIDs, int32(i%n))
		}
	}
	return b
}

// label adds the labels of document d.
func label(b *model.Batch, h *model.Head, rng *rand.Rand, d int, ids []int32, out int) {
	switch h.Kind {
	case head.CausalLM, head.MaskedLM, head.TokenClassification:
		for i := range ids {
			if b.Labels = append(b.Labels, int32(rng.IntN(out))); i%3 == 2 {
				b.Labels[len(b.Labels)-1] = head.IgnoreIndex
			}
		}
	case head.QuestionAnswering:
		b.Labels = append(b.Labels, int32(d%len(ids)/2), int32(len(ids)-1))
	case head.Seq2SeqLM:
		if d == 0 {
			b.TargetCuSeqLens = []int{0}
		}
		for range 3 + d {
			b.Labels = append(b.Labels, int32(3+rng.IntN(out-3)))
		}
		b.TargetCuSeqLens = append(b.TargetCuSeqLens, len(b.Labels))
	case head.MultipleChoice:
		if b.Choices = []int{3, 1}; d < 2 {
			b.Labels = append(b.Labels, int32(d/2))
		}
	case head.SequenceClassification:
		if h.Problem() == head.SingleLabel {
			b.Labels = append(b.Labels, int32(d%len(h.Labels)))
			break
		}
		for range h.Labels {
			b.FloatLabels = append(b.FloatLabels, float32(rng.IntN(2)))
		}
	}
}

// alone is document d of a batch.
func alone(b *model.Batch, kind head.Kind, d int) *model.Batch {
	from, to := b.CuSeqLens[d], b.CuSeqLens[d+1]
	one := &model.Batch{IDs: b.IDs[from:to]}
	if b.TokenTypeIDs != nil {
		one.TokenTypeIDs = b.TokenTypeIDs[from:to]
	}
	if kind == head.Seq2SeqLM {
		one.Labels = b.Labels[b.TargetCuSeqLens[d]:b.TargetCuSeqLens[d+1]]
	}
	return one
}

// outputs are the head's for a batch, in a pass with an adapter.
func outputs(t *testing.T, m *model.Model, b *model.Batch, adapter string) []float32 {
	t.Helper()
	var out []float32
	err := op.Inference(adapter, func(p *op.Pass) error {
		y, err := m.Logits(p, b, nil, nil)
		out = slices.Clone(y.Data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// total is the sum of a batch's losses.
func total(t *testing.T, m *model.Model, b *model.Batch) float64 {
	t.Helper()
	sum := 0.0
	err := op.Inference("", func(p *op.Pass) error {
		losses, err := m.Loss(p, b)
		if err == nil {
			for _, v := range op.Matrix(losses).Data {
				sum += float64(v)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// gradients are those of the sum of the losses, in the order of params.
func gradients(t *testing.T, m *model.Model, b *model.Batch, params []*nn.Param, checkpointing bool) [][]float32 {
	t.Helper()
	p := &op.Pass{Grad: true, Checkpointing: checkpointing}
	defer p.Release()
	losses, err := m.Loss(p, b)
	if err == nil {
		err = p.Backward(losses, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for _, q := range params {
		all = append(all, slices.Clone(op.Grad(q).Data))
		q.ZeroGrad()
	}
	return all
}

// TestGradientsOfEveryModel compares the gradients of some weights, others for each model, with differences of the loss, and
// all of them with the gradients of a pass that runs layers again, which have the same bits.
func TestGradientsOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		b := documents(m)
		var params []*nn.Param
		var names []string
		m.Weights(func(w *model.Weight) {
			if w.Tied() == nil && !w.Buffer() {
				params, names = append(params, w.Train()), append(names, w.Name)
			}
		})
		grads := gradients(t, m, b, params, false)
		largest := 0.0
		for i, again := range gradients(t, m, b, params, true) {
			if !slices.Equal(again, grads[i]) {
				t.Errorf("%s: the gradient of a pass with checkpointing has other bits", names[i])
			}
			largest = max(largest, norm(grads[i]))
		}
		name := fnv.New64a()
		_, _ = name.Write([]byte(t.Name()))
		rng := rand.New(rand.NewPCG(name.Sum64(), 8))
		loss := func() float64 { return total(t, m, b) }
		tries := 12
		if testing.Short() {
			tries = 3
		}
		for _, i := range rng.Perm(len(params))[:tries] {
			checkDirection(t, names[i], op.Data(params[i]).Data, grads[i], largest, rng, loss)
		}
	})
}

func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// checkDirection compares the slope of the loss along a direction of values, half gradient and half random, with the
// gradient's. The difference may be 1 % of the gradient, and 1e-4 of the largest, which is about what float32 leaves.
func checkDirection(t *testing.T, name string, values, gradient []float32, largest float64, rng *rand.Rand, loss func() float64) {
	t.Helper()
	size, slope, start := norm(gradient), 0.0, slices.Clone(values)
	direction := make([]float64, len(values))
	for i, g := range gradient {
		direction[i] = rng.NormFloat64() / math.Sqrt(float64(len(values)))
		if size > 1e-5*largest {
			direction[i] += float64(g) / size
		}
		slope += direction[i] * float64(g)
	}
	at := func(step float64) float64 {
		for i, d := range direction {
			values[i] = start[i] + float32(step*d)
		}
		return loss()
	}
	var got float64
	for _, shrink := range []float64{1, 0.1} { // the second for a kink of ReLU within the first
		h := shrink * min(0.01, 0.1/largest) // differences of two widths, extrapolated to width 0 (Richardson)
		narrow, wide := (at(h)-at(-h))/(2*h), (at(2*h)-at(-2*h))/(4*h)
		copy(values, start)
		if got = narrow + (narrow-wide)/3; math.Abs(got-slope) <= 0.01*size+1e-4*largest {
			return
		}
	}
	t.Errorf("%s: the loss rises by %g, the gradient says %g (its length is %g, the longest %g)", name, got, slope, size, largest)
}

// TestSavedModelsAreTheSame loads every model that was saved: the same head, the same bits.
func TestSavedModelsAreTheSame(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		dir := filepath.Join(t.TempDir(), "m")
		if err := m.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		saved, err := model.Load(t.Context(), dir, model.Options{Numerics: m.Options.Numerics})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = saved.Close() }()
		got, want := saved.Head(), m.Head()
		if got.Kind != want.Kind || want.Labels != nil && !slices.Equal(got.Labels, want.Labels) || got.Problem() != want.Problem() && got.Kind == head.SequenceClassification {
			t.Errorf("the head is %v, want %v", got.Config, want.Config)
		}
		values := map[string][]float32{}
		m.Weights(func(w *model.Weight) { values[w.Name] = w.Values("") })
		saved.Weights(func(w *model.Weight) {
			if !slices.Equal(w.Values(""), values[w.Name]) {
				t.Errorf("%s has other values", w.Name)
			}
			delete(values, w.Name)
		})
		if len(values) > 0 {
			t.Errorf("lost are %v", slices.Sorted(maps.Keys(values)))
		}
		if b := documents(m); !slices.Equal(outputs(t, saved, b, ""), outputs(t, m, b, "")) {
			t.Error("other outputs")
		}
	})
}

// TestAdaptersOfEveryModel: an adapter on all layers computes the same beside the weights and merged into them. Taken out it
// leaves no trace.
func TestAdaptersOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		b := documents(m)
		base := outputs(t, m, b, "")
		for name, method := range map[string]adapter.Method{"lora": &adapter.LoRA{R: 2}, "mora": &adapter.MoRA{R: 2}} {
			a, err := adapter.Attach(t.Context(), m, name, method, 9)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(5, 6))
			for _, p := range a.Params() {
				for i := range op.Data(p.Param).Data {
					op.Data(p.Param).Data[i] += float32(rng.NormFloat64()) / 10
				}
			}
			a.ParamsChanged()
			want := outputs(t, m, b, name)
			if golden.MaxAbs(want, base) < 1e-3 {
				t.Errorf("%s changes nothing", name)
			}
			if !slices.Equal(outputs(t, m, b, ""), base) {
				t.Errorf("%s changes the base", name)
			}
			if err := a.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			golden.Close(t, name+" merged", outputs(t, m, b, ""), want, 1e-4, false)
			a.Unmerge()
			if !slices.Equal(outputs(t, m, b, ""), base) {
				t.Errorf("%s was merged and taken out, and leaves a trace", name)
			}
		}
	})
}

// TestPrepackOfEveryModel: packed weights give the same bits, also beside an adapter. While others take their place they are not used.
func TestPrepackOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		b := documents(m)
		a, err := adapter.Attach(t.Context(), m, "lora", &adapter.LoRA{R: 2}, 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range a.Params() {
			for i := range op.Data(p.Param).Data {
				op.Data(p.Param).Data[i] += 0.1
			}
		}
		a.ParamsChanged()
		base, adapted := outputs(t, m, b, ""), outputs(t, m, b, "lora")
		_, before := m.WeightMemory()
		m.Prepack(false)
		if _, own := m.WeightMemory(); own <= before {
			t.Error("nothing is packed")
		}
		if !slices.Equal(outputs(t, m, b, ""), base) || !slices.Equal(outputs(t, m, b, "lora"), adapted) {
			t.Error("packed weights give other outputs")
		}
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "merged", outputs(t, m, b, ""), adapted, 1e-4, false)
		a.Unmerge()
		if !slices.Equal(outputs(t, m, b, ""), base) {
			t.Error("packed weights are lost")
		}
	})
}

// TestDocumentsOfEveryModel: a document's outputs are the same in a batch and alone.
func TestDocumentsOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		b := documents(m)
		var want []float32
		for d := range len(b.CuSeqLens) - 1 {
			want = append(want, outputs(t, m, alone(b, m.Head().Kind, d), "")...)
		}
		golden.Close(t, "documents", outputs(t, m, b, ""), want, 5e-4, false) // norms of small values amplify how sums are rounded
	})
}

// TestGenerationOfEveryModel compares greedy texts, which are made with a cache, with the most likely tokens after whole
// texts, and the logits of the last with those that a cache gives.
func TestGenerationOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		if k := m.Head().Kind; k != head.CausalLM && k != head.Seq2SeqLM {
			if _, err := m.Generate(t.Context(), [][]int32{{3}}, model.GenerationConfig{MaxNewTokens: 1}, nil); err == nil {
				t.Errorf("a model for %s generates", k)
			}
			return
		}
		prompts := [][]int32{{5, 6, 7, 8, 9}, {10, 11}, {5, 6, 7, 12}}
		settings := model.GenerationConfig{MaxNewTokens: 12, DecoderInputIDs: []int32{2}, BadWordsIDs: [][]int32{{0}}} // 0 is padding
		texts, err := m.Generate(t.Context(), prompts, settings, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, prompt := range prompts {
			var text []int32
			for range texts[i] {
				text = append(text, 1+int32(numeric.Argmax(next(t, m, prompt, text)[1:])))
			}
			if len(texts[i]) != 12 || !slices.Equal(texts[i], text) {
				t.Errorf("prompt %d: generated are %v, without a cache %v", i, texts[i], text)
			}
		}
		for i, last := range cached(t, m, prompts, texts) {
			golden.Close(t, fmt.Sprintf("logits after text %d", i), last, next(t, m, prompts[i], texts[i]), 1e-4, false)
		}
	})
}

// next are the logits of the token that follows a prompt and a text, read as a whole. A decoder's inputs are the labels,
// each one later; where it begins with the last label, that is 2, the token that the targets begin with.
func next(t *testing.T, m *model.Model, prompt, text []int32) []float32 {
	t.Helper()
	b := &model.Batch{IDs: slices.Concat(prompt, text)}
	if m.Head().Kind == head.Seq2SeqLM {
		b = &model.Batch{IDs: prompt, Labels: append(slices.Clone(text), 2)}
	}
	all := outputs(t, m, b, "")
	n, _ := m.Head().Out.Dims()
	return all[len(all)-n:]
}

// cached are the logits after the last tokens of texts that a cache reads a token at a time.
func cached(t *testing.T, m *model.Model, prompts, texts [][]int32) (last [][]float32) {
	t.Helper()
	cache := m.NewCache(len(prompts))
	read := func(docs [][]int32) {
		b, rows := model.Documents(docs)
		err := op.Inference("", func(p *op.Pass) error {
			y, err := m.Logits(p, b, rows, cache)
			if err != nil {
				return err
			}
			last = nil
			for i := range y.Rows {
				last = append(last, slices.Clone(y.Row(i)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	start := prompts
	if m.Head().Kind == head.Seq2SeqLM {
		start = slices.Repeat([][]int32{{2}}, len(prompts))
		sources, _ := model.Documents(prompts)
		if err := op.Inference("", func(p *op.Pass) error { return m.Encode(p, sources, cache) }); err != nil {
			t.Fatal(err)
		}
	}
	read(start)
	for i := range texts[0] {
		step := make([][]int32, len(texts))
		for d, text := range texts {
			step[d] = text[i : i+1]
		}
		read(step)
	}
	return last
}

// TestHiddenStatesOfEveryModel: a head that only projects gives its outputs for the last hidden states.
func TestHiddenStatesOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		b, h := documents(m), m.Head()
		var x tensor.Matrix
		err := op.Inference("", func(p *op.Pass) error {
			y, err := m.LastHiddenState(p, b)
			x = tensor.View(slices.Clone(y.Data), y.Rows, y.Cols)
			return err
		})
		if h.Kind == head.Seq2SeqLM {
			if err == nil {
				t.Error("hidden states of sources and targets are not told apart")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := m.Config().HiddenSize; x.Rows != len(b.IDs) || x.Cols != n {
			t.Errorf("%d×%d values for %d tokens of %d", x.Rows, x.Cols, len(b.IDs), n)
		}
		if h.Out == nil || h.Dense != nil || h.Norm != nil || h.LogitScale != 0 || h.SoftCap != 0 || h.Kind == head.SequenceClassification {
			return
		}
		n, _ := h.Out.Dims()
		y := tensor.New(x.Rows, n)
		tensor.NT(y, x, h.Out.Source(""), 0)
		if h.Out.Bias != nil {
			for i := range y.Data {
				y.Data[i] += h.Out.BiasOf("")[i%n]
			}
		}
		golden.Close(t, "outputs", outputs(t, m, b, ""), y.Data, 1e-5, false)
	})
}

// TestPoolingOfEveryModel compares the vectors of documents with what each pooling says of the last hidden states.
func TestPoolingOfEveryModel(t *testing.T) {
	eachModel(t, func(t *testing.T, m *model.Model) {
		if m.Head().Kind != head.FeatureExtraction {
			return
		}
		b, n := documents(m), m.Config().HiddenSize
		b.IDs[b.CuSeqLens[2]+1], b.IDs[b.CuSeqLens[2]+4] = 3, 3
		var x []float32
		if err := op.Inference("", func(p *op.Pass) error {
			y, err := m.LastHiddenState(p, b)
			x = slices.Clone(y.Data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		m.Head().EOSTokenID = 3
		for _, pooling := range []model.Pooling{model.PoolCLS, model.PoolLast, model.PoolEOS, model.PoolMean} {
			m.Head().Pooling = pooling
			var want []float32
			for d := range len(b.CuSeqLens) - 1 {
				from := b.CuSeqLens[d]
				row, at := make([]float32, n), pooled(pooling, b.IDs[from:b.CuSeqLens[d+1]], 3)
				for _, i := range at {
					for j := range row {
						row[j] += x[(from+i)*n+j] / float32(len(at))
					}
				}
				want = append(want, row...)
			}
			golden.Close(t, fmt.Sprintf("pooling %d", pooling), outputs(t, m, b, ""), want, 1e-5, false)
		}
	})
}

// pooled are the tokens that make a document's vector.
func pooled(p model.Pooling, ids []int32, eos int32) []int {
	last := len(ids) - 1
	switch p {
	case model.PoolCLS:
		return []int{0}
	case model.PoolEOS:
		for i := last; i >= 0; i-- {
			if ids[i] == eos {
				return []int{i}
			}
		}
	case model.PoolMean:
		all := make([]int, len(ids))
		for i := range all {
			all[i] = i
		}
		return all
	}
	return []int{last}
}

// TestRopesOfEveryArchitecture: a rope_type means the same in both spellings, and something else than the others.
func TestRopesOfEveryArchitecture(t *testing.T) {
	taken, least := map[string]int{}, 4
	for i, modelType := range model.Architectures() {
		if testing.Short() && i%6 != 0 {
			least = 1
			continue
		}
		seen := map[string][]float32{}
		for ropeType, parameters := range ropes {
			scaling := maps.Clone(parameters)
			delete(scaling, "rope_theta")
			var first []float32
			for _, more := range []keys{{"rope_parameters": parameters}, {"rope_theta": 100, "rope_scaling": scaling}} {
				raw, ok := configWith(t, modelType, more, keys{"layer_types": []string{"sliding_attention", "full_attention"}})
				if !ok {
					continue
				}
				taken[ropeType]++
				m := stirred(t, raw, model.Options{})
				got := outputs(t, m, documents(m), "")
				if first == nil {
					first = got
				}
				if !slices.Equal(got, first) {
					t.Errorf("%s: %v differs from rope_parameters", modelType, more)
				}
			}
			for other, y := range seen {
				if first != nil && golden.MaxAbs(y, first) < 1e-3 {
					t.Errorf("%s: %s is %s", modelType, ropeType, other)
				}
			}
			if first != nil {
				seen[ropeType] = first
			}
		}
		if len(seen) > 0 && len(seen) < len(ropes) {
			t.Errorf("%s has only some rope types: %v", modelType, slices.Sorted(maps.Keys(seen)))
		}
	}
	for ropeType := range ropes {
		if taken[ropeType] < least {
			t.Errorf("%s was tried %d times", ropeType, taken[ropeType])
		}
	}
}

// TestWindowsOfEveryArchitecture: with a window of 3 in both layers a token depends on the 4 before it and on no others.
func TestWindowsOfEveryArchitecture(t *testing.T) {
	taken := 0
	for _, modelType := range model.Architectures() {
		windows := keys{"sliding_window": 3, "layer_types": []string{"sliding_attention", "sliding_attention"}}
		raw, ok := configWith(t, modelType, windows, keys{"use_sliding_window": true})
		if !ok {
			continue
		}
		taken++
		m := stirred(t, raw, model.Options{})
		last := func(ids []int32) []float32 { return next(t, m, ids, nil) }
		ids := []int32{3, 4, 5, 6, 7, 8, 9, 10}
		for i := range ids {
			other := slices.Clone(ids)
			other[i] = 30
			if d, seen := golden.MaxAbs(last(other), last(ids)), i >= 3; (d > 1e-4) != seen {
				t.Errorf("%s: token %d moves the last one's logits by %g", modelType, i, d)
			}
		}
	}
	if taken < 3 {
		t.Errorf("%d architectures have windows", taken)
	}
}

// TestUnknownKeysOfEveryArchitecture: a key that is not known may change what the model computes, so it is refused.
func TestUnknownKeysOfEveryArchitecture(t *testing.T) {
	for _, modelType := range model.Architectures() {
		if _, ok := config(t, modelType, keys{"logit_softcap": 30}); ok {
			t.Errorf("%s takes any key", modelType)
		}
	}
}
