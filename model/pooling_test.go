package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/op"
)

const tinyBERT = `{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
 "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16}`

// TestPooling: a folder's pooling is that of sentence-transformers' file, which Save copies.
func TestPooling(t *testing.T) {
	m, err := New([]byte(tinyBERT), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := &Batch{IDs: []int32{3, 4, 5, 6, 7}, CuSeqLens: []int{0, 2, 5}}
	for _, tt := range []struct{ file, want string }{
		{"", "mean"}, {`{"pooling_mode_mean_tokens": true}`, "mean"}, {`{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}`, "first"},
		{`{"pooling_mode_max_tokens": true}`, "pooling_mode_max_tokens is not supported"}, {`{`, "1_Pooling/config.json"},
		{`{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}`, "want one of"},
		{`{"pooling_mode": "mean", "include_prompt": true}`, "mean"}, {`{"pooling_mode": ["cls"]}`, "first"},
		{`{"pooling_mode": "max"}`, "max is not supported; supported are cls, lasttoken, mean"}, {`{"pooling_mode": ["cls", "mean"]}`, "2 pooling modes are on"},
		{`{"pooling_mode": "mean", "embedding_dimension": 9}`, "embedding_dimension is 9"},
	} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := m.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		if tt.file != "" {
			if err := os.Mkdir(filepath.Join(dir, "1_Pooling"), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, poolingFile), []byte(tt.file), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		loaded, err := Load(t.Context(), dir, Options{})
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", tt.file, err, tt.want)
			}
			continue
		}
		again := filepath.Join(t.TempDir(), "again")
		if err := loaded.Save(t.Context(), again, "", ""); err != nil {
			t.Fatal(err)
		}
		for _, l := range []string{dir, again} {
			m, err := Load(t.Context(), l, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := pools(t, m, b); got != tt.want {
				t.Errorf("%s: the vectors are by %s, want %s", tt.file, got, tt.want)
			}
		}
	}
}

// pools says whether a document's vector is the mean of its hidden states, the first or the last: "mean", "first" or "last".
func pools(t *testing.T, m *Model, b *Batch) string {
	p := &op.Pass{}
	defer p.Release()
	v, err := m.Logits(p, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := m.LastHiddenState(p, b)
	if err != nil {
		t.Fatal(err)
	}
	if v.Row(1)[0] == h.Row(2)[0] {
		return "first"
	}
	if v.Row(1)[0] == h.Row(4)[0] {
		return "last"
	}
	mean := (h.Row(2)[0] + h.Row(3)[0] + h.Row(4)[0]) / 3
	if d := v.Row(1)[0] - mean; d < 1e-5 && d > -1e-5 {
		return "mean"
	}
	return "neither"
}

// TestExcludedPrompt: the mean is over the tokens after the prompt, and zero without one.
func TestExcludedPrompt(t *testing.T) {
	m, err := New([]byte(tinyBERT), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := &Batch{IDs: []int32{3, 4, 5, 6, 7}, CuSeqLens: []int{0, 2, 5}}
	p := &op.Pass{}
	defer p.Release()
	vectors := func(excluded bool, lengths ...int) [2]float32 {
		t.Helper()
		m.Head().ExcludePrompt, b.PromptLengths = excluded, lengths
		v, err := m.Logits(p, b, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return [2]float32{v.Row(0)[0], v.Row(1)[0]}
	}
	h, err := m.LastHiddenState(p, b)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) float32 { return h.Row(i)[0] }
	whole := [2]float32{(at(0) + at(1)) / 2, (at(2) + at(3) + at(4)) / 3}
	for _, tt := range []struct {
		excluded bool
		lengths  []int
		want     [2]float32
	}{
		{false, []int{1, 2}, whole}, {true, nil, whole}, {true, []int{0, 0}, whole}, {true, []int{1, 1}, [2]float32{at(1), (at(3) + at(4)) / 2}},
		{true, []int{2, 2}, [2]float32{0, at(4)}}, {true, []int{9, 3}, [2]float32{}},
	} {
		got := vectors(tt.excluded, tt.lengths...)
		for d := range got {
			if diff := got[d] - tt.want[d]; diff > 1e-6 || diff < -1e-6 {
				t.Errorf("%t, %v: got %v, want %v", tt.excluded, tt.lengths, got, tt.want)
			}
		}
	}
	for _, lengths := range [][]int{{1}, {1, -1}} {
		b.PromptLengths = lengths
		if _, err := m.Logits(p, b, nil, nil); err == nil || !strings.Contains(err.Error(), "do not fit document bounds") {
			t.Errorf("%v: got %v", lengths, err)
		}
	}
}
