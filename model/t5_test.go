package model_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
)

// TestT5Unties merges adapters of the shared embeddings and of the head into T5's weights. What is saved computes the same: the
// factor of the outputs stays, though tie_word_embeddings, which says it in older files, is no longer true.
func TestT5Unties(t *testing.T) {
	for _, c := range []keys{{"model_type": "t5"}, {"model_type": "t5", "tie_word_embeddings": false, "feed_forward_proj": "gated-gelu"}, {"model_type": "mt5"}} {
		raw, ok := config(t, c["model_type"].(string), c)
		if !ok {
			t.Fatalf("%v is not taken", c)
		}
		for _, targets := range [][]string{{"lm_head"}, {"embed_tokens"}, {"encoder.embed_tokens", "lm_head"}, {"q"}} {
			m := stirred(t, raw, model.Options{})
			a, err := adapter.Attach(t.Context(), m, "a", &adapter.LoRA{Common: adapter.Common{TargetModules: adapter.Suffixes(targets...)}, R: 2, Init: adapter.InitRandom}, 3)
			if err != nil {
				t.Fatal(err)
			}
			b := documents(m)
			want := outputs(t, m, b, "a")
			if golden.MaxAbs(want, outputs(t, m, b, "")) < 1e-3 {
				t.Errorf("%v: %v changes nothing", c, targets)
			}
			dir := filepath.Join(t.TempDir(), "merged")
			if err := m.Save(t.Context(), dir, a.Name, ""); err != nil {
				t.Fatal(err)
			}
			merged, err := model.Load(t.Context(), dir, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "merged", outputs(t, merged, b, ""), want, 1e-4, false)
			_ = merged.Close()
		}
	}
}

// TestT5HasNoChoices: a head that T5 does not have is named, with and without a decoder.
func TestT5HasNoChoices(t *testing.T) {
	for _, decodes := range []bool{true, false} {
		raw, _ := config(t, "t5", keys{"is_encoder_decoder": decodes})
		_, err := model.New(raw, model.Options{Head: head.Config{Kind: head.MultipleChoice}})
		if err == nil || !strings.Contains(err.Error(), "t5 has no head for multiple-choice") {
			t.Errorf("with a decoder %t: got %v", decodes, err)
		}
	}
}
