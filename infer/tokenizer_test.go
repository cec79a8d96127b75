package infer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tokenizer"
)

// templated is a copy of the case of an adapter with its own tokenizer and chat template.
func templated(t *testing.T) (base, dir string) {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(golden.Repository(t), "testdata", "cases", "training", "adapter-template"))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "base"), filepath.Join(root, "adapter")
}

// TestAdaptersTokenizer: what an adapter's folder has of a tokenizer is used, also in a merged model's folder.
func TestAdaptersTokenizer(t *testing.T) {
	const bases, adapters, configured = "[assistant] ", "<|im_start|>assistant\n", "{{ 'configured' }}"
	without := func(names ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, n := range names {
				if err := os.Remove(filepath.Join(dir, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tests := []struct {
		name     string
		change   func(t *testing.T, dir string)
		template string // is in the template that is used
		eos      string
	}{
		{"both", func(*testing.T, string) {}, adapters, "<|im_end|>"},
		{"neither", without("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"), bases, "</s>"},
		{"a template", without("tokenizer.json", "tokenizer_config.json"), adapters, "</s>"},
		{"a template beside a config", without("tokenizer.json"), adapters, "</s>"},
		{"a template in the config", func(t *testing.T, dir string) {
			without("tokenizer.json", "chat_template.jinja")(t, dir)
			tiny.Write(t, filepath.Join(dir, "tokenizer_config.json"), `{"tokenizer_class": "TokenizersBackend", "eos_token": "</s>", "chat_template": "`+configured+`"}`)
		}, configured, "</s>"},
		{"a tokenizer with a template in the config", func(t *testing.T, dir string) {
			without("chat_template.jinja")(t, dir)
			tiny.Write(t, filepath.Join(dir, "tokenizer_config.json"), `{"tokenizer_class": "TokenizersBackend", "eos_token": "<|im_end|>", "chat_template": "`+configured+`"}`)
		}, configured, "<|im_end|>"},
		{"a tokenizer without a template", without("chat_template.jinja"), bases, "<|im_end|>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, dir := templated(t)
			tt.change(t, dir)
			s, err := Open(t.Context(), base, dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			check := func(what string, tok *tokenizer.Tokenizer, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				template := tok.ChatTemplates["default"]
				id, _ := tok.EOS()
				if got, _ := tok.Token(id); got != tt.eos {
					t.Errorf("%s: the end of sequence is %q, want %q", what, got, tt.eos)
				}
				if (template == "") != (tt.template == "") || !contains(template, tt.template) {
					t.Errorf("%s: the template is %q, want one with %q", what, template, tt.template)
				}
			}
			tok, err := s.Tokenizer()
			check("session", tok, err)
			merged := filepath.Join(t.TempDir(), "merged")
			if err := s.Model.Save(t.Context(), merged, s.Adapter, ""); err != nil {
				t.Fatal(err)
			}
			if err := s.WriteTokenizer(merged); err != nil {
				t.Fatal(err)
			}
			tok, err = tokenizer.Load(merged)
			check("merged folder", tok, err)
		})
	}
}

// contains says whether a template, as Go or as JSON writes it, has a text.
func contains(template, text string) bool {
	quoted, _ := json.Marshal(text)
	for _, s := range []string{text, string(quoted[1 : len(quoted)-1])} {
		for i := range len(template) - len(s) + 1 {
			if template[i:i+len(s)] == s {
				return true
			}
		}
	}
	return text == ""
}

// TestBaseModel finds the model that an adapter names: here, in its folder, beside it, or in the Hub's cache.
func TestBaseModel(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "work", "run")
	at := func(name string) string {
		t.Helper()
		c, err := json.Marshal(map[string]any{"peft_type": "LORA", "target_modules": []string{"q_proj"}, "base_model_name_or_path": name})
		if err != nil {
			t.Fatal(err)
		}
		tiny.Write(t, filepath.Join(dir, "adapter_config.json"), string(c))
		found, err := BaseModel(dir)
		if err != nil {
			return err.Error()
		}
		return found
	}
	t.Setenv("HF_HOME", filepath.Join(root, "hf"))
	t.Setenv("HF_HUB_CACHE", "")
	t.Setenv("HUGGINGFACE_HUB_CACHE", "")
	const none = " is for the model "
	if got := at("org/tiny"); !contains(got, none+"org/tiny, which is not here, beside the adapter or in the Hub's cache") {
		t.Errorf("got %s", got)
	}
	snapshot := filepath.Join(root, "hf", "hub", "models--org--tiny", "snapshots", "abc")
	tiny.Write(t, filepath.Join(snapshot, "config.json"), "{}")
	if got := at("org/tiny"); !contains(got, none) {
		t.Errorf("a cache without refs/main: got %s", got)
	}
	tiny.Write(t, filepath.Join(root, "hf", "hub", "models--org--tiny", "refs", "main"), "abc\n")
	if got := at("org/tiny"); got != snapshot {
		t.Errorf("got %s, want the snapshot", got)
	}
	if got := adapter.BaseModelName(snapshot); got != "org/tiny" {
		t.Errorf("the snapshot is called %s", got)
	}
	beside := filepath.Join(root, "work", "tiny")
	tiny.Write(t, filepath.Join(beside, "config.json"), "{}")
	for _, name := range []string{"tiny", "org/tiny", "some/folder/tiny", "/of/another/machine/tiny", beside} {
		if got := at(name); got != beside {
			t.Errorf("%s: got %s, want %s", name, got, beside)
		}
	}
	if got := at(Embedded); got != Embedded {
		t.Errorf("got %s", got)
	}
	if got := at(""); !contains(got, "does not say which model it is for") {
		t.Errorf("got %s", got)
	}
}
