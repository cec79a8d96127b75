package pipeline

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"

	"github.com/spagotune/spagotune/infer"
	folders "github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// opened is a session with a folder's model, until the test ends, and its tokenizer.
func opened(t *testing.T, dir string) (*infer.Session, *tokenizer.Tokenizer) {
	t.Helper()
	s, err := infer.Open(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	tok, err := s.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	return s, tok
}

// TestTextEncoderPrompts: a prompt of the model's folder stands before each text.
func TestTextEncoderPrompts(t *testing.T) {
	dir := folders.Encoder(t)
	folders.Write(t, filepath.Join(dir, "config_sentence_transformers.json"), `{"prompts": {"query": "the good "}}`)
	s, tok := opened(t, dir)
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

// TestTextEncoderSentence: a mean is that of sentence-transformers, which may leave the prompt out.
func TestTextEncoderSentence(t *testing.T) {
	compared := 0
	folders.SentenceCases(t, func(t *testing.T, dir string, c folders.SentenceCase) {
		if !strings.Contains(c.Files["1_Pooling/config.json"], `"pooling_mode_mean_tokens": true`) {
			t.Skip("another pooling")
		}
		s, tok := opened(t, dir)
		e, err := NewTextEncoder(s.Model, tok, Options{PromptName: c.PromptName})
		if err != nil {
			t.Fatal(err)
		}
		all, err := e.EncodeAll(t.Context(), c.Texts, int(bert.MeanPooling))
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range all {
			got, square := r.Vector.Data().F32(), 0.0
			for _, x := range got {
				square += float64(x) * float64(x)
			}
			for j, x := range got {
				if d := float64(x)/math.Sqrt(square) - float64(c.Vectors[i][j]); math.Abs(d) > 1e-5 {
					t.Fatalf("%q: value %d differs by %g", c.Texts[i], j, d)
				}
			}
			compared++
		}
	})
	if compared == 0 {
		t.Error("no case was compared")
	}
}

// TestNothingLeft: without a token after the prompt, vectors are what sentence-transformers computes of none.
func TestNothingLeft(t *testing.T) {
	y := tensor.Matrix{Rows: 1, Cols: 2, Stride: 2, Data: []float32{3, 4}}
	for strategy, want := range map[bert.PoolingStrategyType][]float32{bert.MeanPooling: {0, 0}, bert.MaxPooling: {noMaximum, noMaximum}, bert.MeanMaxPooling: {0, 0, noMaximum, noMaximum}} {
		_, pool, err := (&subject{Model: new(model.Model)}).pooling(strategy, 5)
		if err != nil {
			t.Fatal(err)
		}
		if got := pool(y); !slices.Equal(got, want) {
			t.Errorf("strategy %d: got %v, want %v", strategy, got, want)
		}
	}
}
