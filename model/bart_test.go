package model

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

const tinyBARTConfig = `{"model_type": "bart", "vocab_size": 11, "d_model": 8, "encoder_layers": 2, "decoder_layers": 1,
 "encoder_ffn_dim": 12, "decoder_ffn_dim": 10, "encoder_attention_heads": 2, "decoder_attention_heads": 4,
 "max_position_embeddings": 16, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}`

// tinyBART returns tinyBARTConfig with keys set; a nil value deletes.
func tinyBART(t testing.TB, kv ...any) []byte {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(tinyBARTConfig), &c); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(kv); i += 2 {
		if c[kv[i].(string)] = kv[i+1]; kv[i+1] == nil {
			delete(c, kv[i].(string))
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBARTConfigIsReadOrRefused(t *testing.T) {
	for _, tt := range []struct {
		kv   []any
		want string // part of the error; "" is none
	}{
		{nil, ""},
		{[]any{"normalize_before", false, "normalize_embedding", true, "add_final_layer_norm", false, "extra_pos_embeddings", 2,
			"static_position_embeddings", false, "num_hidden_layers", 2, "add_bias_logits", false, "classif_dropout", 0.1}, ""},
		{[]any{"model_type", "marian", "static_position_embeddings", true, "normalize_embedding", false, "decoder_vocab_size", 11}, ""},
		{[]any{"model_type", "pegasus", "normalize_before", true, "add_final_layer_norm", true, "extra_pos_embeddings", 1}, ""},
		{[]any{"model_type", "mbart", "normalize_before", true, "add_final_layer_norm", true, "tie_word_embeddings", false}, ""},
		{[]any{"normalize_before", true}, "normalize_before true is not supported for bart; want false"},
		{[]any{"model_type", "pegasus", "static_position_embeddings", false}, "static_position_embeddings false is not supported for pegasus"},
		{[]any{"extra_pos_embeddings", 0}, "extra_pos_embeddings 0"},
		{[]any{"is_encoder_decoder", false}, "is_encoder_decoder false"},
		{[]any{"num_hidden_layers", 3}, "num_hidden_layers 3 is another name of encoder_layers, which is 2"},
		{[]any{"decoder_attention_heads", 3}, "decoder_attention_heads 3"},
		{[]any{"activation_function", "mish"}, `activation "mish" is not known`},
		{[]any{"decoder_start_token_id", 11}, "decoder_start_token_id is 11; the decoder's vocabulary ends at 10"},
		{[]any{"pad_token_id", -1}, "pad_token_id is -1"},
		{[]any{"decoder_vocab_size", 12}, "decoder_vocab_size 12"},
		{[]any{"share_encoder_decoder_embeddings", false}, "share_encoder_decoder_embeddings false"},
		{[]any{"model_type", "marian", "max_position_embeddings", 1 << 24}, "max_position_embeddings 16777216 of 8 values"},
		{[]any{"layernorm_variant", "xlm"}, "not supported: layernorm_variant"},
		{[]any{"architectures", []string{"BartForTokenClassification"}}, "bart has no head for token-classification"},
		{[]any{"model_type", "marian", "architectures", []string{"MarianForSequenceClassification"}}, "marian has no head"},
	} {
		_, err := New(tinyBART(t, tt.kv...), Options{Seed: 1})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v: error %v, want %q", tt.kv, err, tt.want)
		}
	}
}

func TestBARTBatchIsRefused(t *testing.T) {
	m, classes := drawn(t, tinyBART(t)), drawn(t, tinyBART(t, "architectures", []string{"BartForSequenceClassification"}))
	for _, tt := range []struct {
		m    *Model
		b    Batch
		want string
	}{
		{m, Batch{IDs: []int32{3, 4}, CuSeqLens: []int{0, 1, 2}, Labels: []int32{3, 4}}, "1 targets for 2 documents"},
		{m, Batch{IDs: []int32{3, 4}, Labels: []int32{3, 11}}, "label 11"},
		{m, Batch{IDs: []int32{3, 4}, Labels: make([]int32, 17)}, "target of 17 tokens"},
		{m, Batch{IDs: []int32{3, 4}, Labels: []int32{}}, "target"},
		{classes, Batch{IDs: []int32{2, 3, 4, 3}, CuSeqLens: []int{0, 2, 4}, Labels: []int32{0, 1}}, "document 1 has no token 2"},
	} {
		p := &op.Pass{}
		defer p.Release()
		if _, err := tt.m.Loss(p, &tt.b); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.b, err, tt.want)
		}
		if _, err := tt.m.Logits(p, &tt.b, nil, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("logits of %+v: error %v, want %q", tt.b, err, tt.want)
		}
	}
	p := &op.Pass{}
	defer p.Release()
	if _, err := m.Logits(p, &Batch{IDs: []int32{3}}, nil, m.NewCache(1)); err == nil || !strings.Contains(err.Error(), "the cache holds 0 sources") {
		t.Errorf("decoding without a source: error %v", err)
	}
}

// seq2seqBatch is three documents with targets, one label of which is not scored.
func seq2seqBatch() *Batch {
	return &Batch{
		IDs: []int32{5, 6, 7, 8, 9, 10, 11, 12, 13, 2}, CuSeqLens: []int{0, 4, 5, 10},
		Labels: []int32{20, head.IgnoreIndex, 21, 2, 30, 2, 40, 41, 2}, TargetCuSeqLens: []int{0, 4, 6, 9},
	}
}

// passOf returns the losses and all gradients of a pass.
func passOf(t *testing.T, m *Model, b *Batch, checkpoint bool) (losses []float32, grads [][]float32) {
	t.Helper()
	m.Weights(func(w *Weight) { w.Train() })
	defer m.Weights(func(w *Weight) { w.Freeze() })
	p := &op.Pass{Grad: true}
	defer p.Release()
	p.Checkpointing = checkpoint
	y, err := m.Loss(p, b)
	if err != nil {
		t.Fatal(err)
	}
	losses = slices.Clone(op.Matrix(y).Data)
	if err := p.Backward(y, 1); err != nil {
		t.Fatal(err)
	}
	m.Weights(func(w *Weight) {
		if p := w.Param(""); p != nil && w.Tied() == nil {
			grads = append(grads, slices.Clone(op.Grad(p).Data))
		}
	})
	return losses, grads
}

// TestSeq2SeqIsTheSameBits runs passes with layers run again in the backward pass, and on one, two and three threads.
func TestSeq2SeqIsTheSameBits(t *testing.T) {
	defer tensor.SetThreads(tensor.Threads())
	for _, name := range []string{"bart", "pegasus"} {
		m := goldenModel(t, name)
		tensor.SetThreads(1)
		losses, grads := passOf(t, m, seq2seqBatch(), false)
		for _, threads := range []int{1, 2, 3} {
			tensor.SetThreads(threads)
			for _, checkpoint := range []bool{false, true} {
				for range 5 {
					l, g := passOf(t, m, seq2seqBatch(), checkpoint)
					if !slices.Equal(l, losses) {
						t.Fatalf("%s, %d threads, checkpoints %v: other losses", name, threads, checkpoint)
					}
					for i := range grads {
						if !slices.Equal(g[i], grads[i]) {
							t.Fatalf("%s, %d threads, checkpoints %v: another gradient of parameter %d", name, threads, checkpoint, i)
						}
					}
				}
			}
		}
	}
}

func goldenModel(t *testing.T, name string) *Model {
	t.Helper()
	m, err := Load(t.Context(), filepath.Join("..", "testdata", "golden", "models", name), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSeq2SeqDocumentsAreApart compares documents laid end to end with each of them alone.
func TestSeq2SeqDocumentsAreApart(t *testing.T) {
	for _, name := range []string{"bart", "mbart", "marian", "pegasus"} {
		m, b := goldenModel(t, name), seq2seqBatch()
		p := &op.Pass{}
		defer p.Release()
		all, err := m.Logits(p, b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for d := range len(b.CuSeqLens) - 1 {
			from, to := b.TargetCuSeqLens[d], b.TargetCuSeqLens[d+1]
			one, err := m.Logits(p, &Batch{IDs: b.IDs[b.CuSeqLens[d]:b.CuSeqLens[d+1]], Labels: b.Labels[from:to]}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, name, all.Data[from*all.Cols:to*all.Cols], one.Data, 1e-5, false)
		}
	}
}

// TestBARTIsSaved saves models and reads them again, tied and with an LM head of its own.
func TestBARTIsSaved(t *testing.T) {
	for _, name := range []string{"bart", "marian", "marian-two-tables", "pegasus"} {
		for _, own := range []bool{false, true} {
			m, dir := goldenModel(t, name), filepath.Join(t.TempDir(), "saved")
			if own {
				w := m.Head().Out.Weight
				v := w.Values("")
				v[0]++
				defer w.Replace(tensor.View(v, w.Shape[0], w.Shape[1]))()
			}
			if err := m.Save(t.Context(), dir, "", ""); err != nil {
				t.Fatal(err)
			}
			saved, err := Load(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, tables := saved.file.Get("model.decoder.embed_tokens.weight"); tables != (own || name == "marian-two-tables") {
				t.Errorf("%s, own head %v: the decoder's table is written: %v", name, own, tables)
			}
			p := &op.Pass{}
			want, err := m.Logits(p, seq2seqBatch(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := saved.Logits(p, seq2seqBatch(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Data, want.Data) {
				t.Errorf("%s, own head %v: other logits", name, own)
			}
			p.Release()
		}
	}
}

// TestBARTNumerics checks what Cybertron computes in another way: GELU by tanh, sinusoids in float32, and a classifier that
// reads the last token's state and whose decoder reads the last token first.
func TestBARTNumerics(t *testing.T) {
	outputs := func(name, numerics string, b *Batch) []float32 {
		m, err := Load(t.Context(), filepath.Join("..", "testdata", "golden", "models", name), Options{Numerics: numerics})
		if err != nil {
			t.Fatal(err)
		}
		p := &op.Pass{}
		defer p.Release()
		y, err := m.Logits(p, b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(y.Data)
	}
	for _, name := range []string{"bart", "marian"} {
		d := golden.MaxAbs(outputs(name, HuggingFace, seq2seqBatch()), outputs(name, Cybertron, seq2seqBatch()))
		if d < 1e-5 || d > 1e-2 {
			t.Errorf("%s: the numerics differ by %g", name, d)
		}
	}
	ended, open := &Batch{IDs: []int32{5, 6, 2}}, &Batch{IDs: []int32{5, 2, 6}}
	if d := golden.MaxAbs(outputs("bart-seqcls", HuggingFace, ended), outputs("bart-seqcls", Cybertron, ended)); d > 1e-3 {
		t.Errorf("a document that ends in eos has other scores, by %g", d)
	}
	if d := golden.MaxAbs(outputs("bart-seqcls", HuggingFace, open), outputs("bart-seqcls", Cybertron, open)); d < 1e-2 {
		t.Errorf("a document with eos in the middle has the same scores, to %g", d)
	}
	if d := golden.MaxAbs(sinusoids(512, 6), sinusoids32(512, 6)); d == 0 || d > 1e-4 {
		t.Errorf("sinusoids differ by %g", d)
	}
	for name, want := range map[string]string{"mbart": "Cybertron has", "marian-two-tables": "Cybertron has"} {
		if _, err := Load(t.Context(), filepath.Join("..", "testdata", "golden", "models", name), Options{Numerics: Cybertron}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}
