package model_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
)

// TestHeadsTakeEachOthersBackbones saves every architecture with each head, and loads it with every other one: the backbone is
// found under the names that the first head's class gives it, and is the same.
func TestHeadsTakeEachOthersBackbones(t *testing.T) {
	for i, modelType := range model.Architectures() {
		raw, ok := config(t, modelType, nil)
		if !ok || testing.Short() && i%6 != 0 {
			continue
		}
		for _, h := range heads() {
			m, err := model.New(raw, model.Options{Head: h})
			if errors.Is(err, model.ErrUnsupported) {
				continue
			}
			dir := filepath.Join(t.TempDir(), "m")
			if err == nil {
				err = m.Save(t.Context(), dir, "", "")
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range heads() {
				got, err := model.Load(t.Context(), dir, model.Options{Head: other})
				switch mismatch := new(model.MismatchError); {
				case errors.Is(err, model.ErrUnsupported):
				case errors.As(err, &mismatch) && decoderIsMissing(mismatch):
				case err != nil:
					t.Errorf("%s for %s loaded for %s: %v", modelType, h.Kind, other.Kind, err)
				default:
					got.Weights(func(w *model.Weight) {
						if got.Head().Has(w.Name) || w.Tied() != nil {
							return
						}
						for _, name := range got.MissingKeys {
							if name == w.Name {
								t.Errorf("%s for %s loaded for %s: %s is new", modelType, h.Kind, other.Kind, name)
							}
						}
					})
					_ = got.Close()
				}
			}
		}
	}
}

// decoderIsMissing says whether a checkpoint of an encoder alone lacks just the decoder.
func decoderIsMissing(err *model.MismatchError) bool {
	for _, name := range err.Missing {
		if !strings.Contains(name, "decoder.") {
			return false
		}
	}
	return len(err.Missing) > 0 && len(err.Unexpected) == 0
}

// TestSpanClasses: the names of the backbone are those of transformers' class for question answering.
func TestSpanClasses(t *testing.T) {
	for modelType, prefix := range map[string]string{
		"llama": "transformer.", "qwen2": "transformer.", "qwen3": "transformer.", "qwen3_moe": "transformer.", "smollm3": "transformer.", "exaone4": "transformer.",
		"mistral": "model.", "mixtral": "model.", "ministral3": "model.", "qwen2_moe": "model.", "gpt2": "transformer.", "gpt_neox": "gpt_neox.",
	} {
		raw, _ := config(t, modelType, nil)
		m, err := model.New(raw, model.Options{Head: head.Config{Kind: head.QuestionAnswering}})
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), modelType)
		if err := m.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		file, err := checkpoint.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range file.Names() {
			if !strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, "qa_outputs.") {
				t.Errorf("%s: %s; want %s", modelType, name, prefix)
			}
		}
		_ = file.Close()
	}
}

// TestDecodersRefusePadding: a decoder does not tell padding from tokens, so it says so.
func TestDecodersRefusePadding(t *testing.T) {
	raw, _ := config(t, "llama", nil)
	m, err := model.New(raw, model.Options{Head: head.Config{Kind: head.QuestionAnswering}})
	if err != nil {
		t.Fatal(err)
	}
	b := documents(m)
	b.AttentionLengths = []int{6, 2, 8, 4}
	if _, err := m.Loss(nil, b); !errors.Is(err, model.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}
