package model

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
)

// TestTiedWeights: the weights that config.json ties are one where the checkpoint has one of them, under whichever name, or
// both with equal values; with other values both are kept, as transformers 5 does.
func TestTiedWeights(t *testing.T) {
	const embed, head = "model.embed_tokens.weight", "lm_head.weight"
	tests := []struct {
		name   string
		change func(ts map[string]checkpoint.Tensor)
		tied   bool
	}{
		{"the embedding alone", func(map[string]checkpoint.Tensor) {}, true},
		{"the head alone", func(ts map[string]checkpoint.Tensor) { ts[head] = ts[embed]; delete(ts, embed) }, true},
		{"both, equal", func(ts map[string]checkpoint.Tensor) { ts[head] = ts[embed] }, true},
		{"both, equal, in two types", func(ts map[string]checkpoint.Tensor) {
			e := ts[embed]
			v, _ := e.Float32s()
			ts[embed] = checkpoint.BF16FromFloat32("", v, e.Shape...)
			half := ts[embed]
			v, _ = half.Float32s()
			ts[head] = checkpoint.F32("", v, e.Shape...)
		}, true},
		{"both, different", func(ts map[string]checkpoint.Tensor) {
			e := ts[embed]
			v, _ := e.Float32s()
			v[3]++
			ts[head] = checkpoint.F32("", v, e.Shape...)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Load(t.Context(), save(t, with(t, "tie_word_embeddings", true), tt.change), Options{})
			if err != nil {
				t.Fatal(err)
			}
			w := m.Head().Out.Weight
			if (w.Tied() != nil) != tt.tied || (len(m.Warnings) == 0) != tt.tied {
				t.Errorf("tied to %v, warnings %q", w.Tied(), m.Warnings)
			}
			want := logits(t, m, []int32{1, 5, 10, 0})
			dir := filepath.Join(t.TempDir(), "again")
			if err := m.Save(t.Context(), dir, "", ""); err != nil {
				t.Fatal(err)
			}
			back, err := Load(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(logits(t, back, []int32{1, 5, 10, 0}), want) {
				t.Error("other logits after Save and Load")
			}
			if len(back.Warnings) > 0 {
				t.Errorf("the saved config ties what differs: %q", back.Warnings)
			}
		})
	}
}

// TestTiedWeightOfAnotherShape is reported, and not dropped.
func TestTiedWeightOfAnotherShape(t *testing.T) {
	_, err := Load(t.Context(), save(t, with(t, "tie_word_embeddings", true), func(ts map[string]checkpoint.Tensor) {
		ts["lm_head.weight"] = checkpoint.F32("", make([]float32, 8), 1, 8)
	}), Options{})
	if err == nil || !strings.Contains(err.Error(), "lm_head.weight has shape [1 8]") {
		t.Errorf("got %v", err)
	}
}
