package model_test

import (
	"maps"
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

// TestT5ConfigIsReadOrRefused: among others the decoder reads neither a start nor a padding that the embeddings have no row for. The
// vocabulary has 40 tokens.
func TestT5ConfigIsReadOrRefused(t *testing.T) {
	for _, modelType := range []string{"t5", "mt5"} {
		for _, tt := range []struct {
			more keys
			want string // "" is no error
		}{
			{keys{"decoder_start_token_id": 39, "pad_token_id": 39}, ""},
			{keys{"decoder_start_token_id": nil, "pad_token_id": nil}, ""},
			{keys{"decoder_start_token_id": 40}, "config.json: decoder_start_token_id is 40; the decoder's vocabulary ends at 39"},
			{keys{"decoder_start_token_id": 999}, "config.json: decoder_start_token_id is 999; the decoder's vocabulary ends at 39"},
			{keys{"decoder_start_token_id": -5}, "config.json: decoder_start_token_id is -5; the decoder's vocabulary ends at 39"},
			{keys{"pad_token_id": 999}, "config.json: pad_token_id is 999; the decoder's vocabulary ends at 39"},
			{keys{"relative_attention_num_buckets": 4}, ""},
			{keys{"relative_attention_num_buckets": 3}, "config.json: relative_attention_num_buckets is 3; want 4 or more"},
			{keys{"relative_attention_num_buckets": 0}, "config.json: relative_attention_num_buckets is 0 or missing; want a number from 1 to 16777216"},
			{keys{"pad_token_id": -5}, "config.json: pad_token_id is -5; the decoder's vocabulary ends at 39"},
		} {
			c := keys{"model_type": modelType, "vocab_size": 40, "d_model": 20, "d_kv": 6, "d_ff": 28, "num_layers": 2, "num_heads": 4}
			maps.Copy(c, tt.more)
			_, err := model.NewMeta(marshal(t, c))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)) {
				t.Errorf("%s with %v: got %v, want %q", modelType, tt.more, err, tt.want)
			}
		}
	}
}
