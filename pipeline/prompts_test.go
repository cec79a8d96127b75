package pipeline

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"

	"github.com/spagotune/spagotune/infer"
	folders "github.com/spagotune/spagotune/internal/tiny"
)

// TestTextEncoderPrompts: a prompt of the model's folder stands before each text.
func TestTextEncoderPrompts(t *testing.T) {
	dir := folders.Encoder(t)
	folders.Write(t, filepath.Join(dir, "config_sentence_transformers.json"), `{"prompts": {"query": "the good "}}`)
	s, err := infer.Open(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tok, err := s.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	vector := func(o Options, text string) ([]float32, error) {
		e, err := NewTextEncoder(s.Model, tok, o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Encode(t.Context(), text, int(bert.MeanPooling))
		if err != nil {
			return nil, err
		}
		return slices.Clone(r.Vector.Data().F32()), nil
	}
	got, err1 := vector(Options{PromptName: "query"}, "film")
	want, err2 := vector(Options{}, "the good film")
	if err1 != nil || err2 != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v, %v", got, err1, want, err2)
	}
	if _, err := vector(Options{PromptName: "document"}, "film"); err == nil || !strings.Contains(err.Error(), `no prompt "document"; known are query`) {
		t.Errorf("got %v", err)
	}
}
