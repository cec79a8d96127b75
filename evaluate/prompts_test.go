package evaluate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
)

// embedder is a session with a model for embeddings whose folder has prompts and a configuration of its pooling.
func embedder(t *testing.T, prompts, pooling string) *infer.Session {
	t.Helper()
	dir := tiny.Encoder(t)
	if err := os.MkdirAll(filepath.Join(dir, "1_Pooling"), 0o777); err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, filepath.Join(dir, "config_sentence_transformers.json"), prompts)
	tiny.Write(t, filepath.Join(dir, "1_Pooling", "config.json"), pooling)
	s, err := infer.Open(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

const meanPooling = `{"pooling_mode_mean_tokens": true}`

// vectors are those of a text and its pair.
func vectors(t *testing.T, s *infer.Session, text, pair string, set ...string) ([][]float32, error) {
	t.Helper()
	all, err := Predict(t.Context(), s, "", set, []Input{{Text: text, Pair: pair}})
	if err != nil {
		return nil, err
	}
	return all[0].Vectors, nil
}

// TestPrompts: a named prompt, or else the default one, stands before a text as if it had been written there.
func TestPrompts(t *testing.T) {
	plain := embedder(t, `{"prompts": {}, "default_prompt_name": null}`, meanPooling)
	named := embedder(t, `{"prompts": {"query": "the good ", "document": "a bad "}, "default_prompt_name": null}`, meanPooling)
	byDefault := embedder(t, `{"prompts": {"query": "the good ", "document": "a bad "}, "default_prompt_name": "document"}`, meanPooling)
	for _, tt := range []struct {
		s          *infer.Session
		set        []string
		text, pair string // what is read
	}{
		{named, nil, "film", "ann"},
		{named, []string{"prompt_name=query"}, "the good film", "ann"},
		{named, []string{"prompt_name=query", "text_pair_prompt_name=document"}, "the good film", "a bad ann"},
		{byDefault, nil, "a bad film", "a bad ann"},
		{byDefault, []string{"prompt_name=query"}, "the good film", "a bad ann"},
	} {
		got, err := vectors(t, tt.s, "film", "ann", tt.set...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := vectors(t, plain, tt.text, tt.pair)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("%v: the vectors are not those of %q and %q", tt.set, tt.text, tt.pair)
		}
	}
}

func TestPromptErrors(t *testing.T) {
	none := embedder(t, `{}`, meanPooling)
	left := embedder(t, `{"prompts": {"query": "the good "}}`, `{"pooling_mode_mean_tokens": true, "include_prompt": false}`)
	for _, tt := range []struct {
		s    *infer.Session
		set  string
		want string
	}{
		{none, "prompt_name=query", `option prompt_name: model: no prompt "query": the model's folder has no prompts`},
		{left, "text_pair_prompt_name=qeury", `option text_pair_prompt_name: model: no prompt "qeury"; did you mean query?`},
	} {
		if _, err := vectors(t, tt.s, "film", "ann", tt.set); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.set, err, tt.want)
		}
	}
	dir := tiny.Encoder(t)
	for text, want := range map[string]string{
		`{"prompts": {"a": "b"}, "default_prompt_name": "c"}`: `default_prompt_name "c" is not one of prompts`,
		`[`:                              "config_sentence_transformers.json",
		`[]`:                             "config_sentence_transformers.json: got array; want an object",
		`{"prompts": "a"}`:               "config_sentence_transformers.json: prompts: got string; want an object with a text for each name",
		`{"prompts": {"a": 7}}`:          "config_sentence_transformers.json: prompts: got number; want an object with a text for each name",
		`{"default_prompt_name": ["a"]}`: "config_sentence_transformers.json: default_prompt_name: got array; want a string or null",
	} {
		tiny.Write(t, filepath.Join(dir, "config_sentence_transformers.json"), text)
		if _, err := infer.Open(t.Context(), dir, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
