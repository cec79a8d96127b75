package infer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetChatTemplate changes the files of tokenizers as a template wants them, and leaves all else.
func TestSetChatTemplate(t *testing.T) {
	const model = `"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}`
	for _, c := range []struct {
		name, tokenizer, config, special, template string
		added                                      int
		want                                       map[string][]string // parts of files
	}{
		{"none yet", `{"added_tokens": [], ` + model + `}`, "", "", "chatml", 2,
			map[string][]string{"tokenizer.json": {`{"added_tokens": [{"id":2,"content":"<|im_start|>"`, `true}], "model"`}, "tokenizer_config.json": {`"eos_token": "<|im_end|>"`, `"3"`}}},
		{"one there", `{"added_tokens": [{"id": 2, "content": "<|im_end|>", "special": true} ], ` + model + `}`, `{"chat_template": "old", "eos_token": "b", "x": [1]}`, `{"eos_token": "b"}`, "chatml", 1,
			map[string][]string{"tokenizer.json": {`"special": true} ,{"id":3,"content":"<|im_start|>"`}, "tokenizer_config.json": {`"eos_token": "<|im_end|>"`, `"x": [`}, "special_tokens_map.json": {`"<|im_end|>"`}}},
		{"plain text", `{"added_tokens": [], ` + model + `}`, `{"eos_token": "b"}`, "", "vicuna", 0,
			map[string][]string{"tokenizer.json": {`{"added_tokens": [], "model"`}, "tokenizer_config.json": {`"eos_token": "b"`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, out := t.TempDir(), t.TempDir()
			for name, content := range map[string]string{"tokenizer.json": c.tokenizer, "tokenizer_config.json": c.config, "special_tokens_map.json": c.special} {
				if content == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			files := NewTokenizerFiles(dir, "")
			added, err := files.SetChatTemplate(c.template)
			if err != nil || len(added) != c.added {
				t.Fatalf("added %d, %v; want %d", added, err, c.added)
			}
			if err := files.Write(out); err != nil {
				t.Fatal(err)
			}
			for name, parts := range c.want {
				raw, err := os.ReadFile(filepath.Join(out, name))
				if err != nil || !json.Valid(raw) {
					t.Fatalf("%s: %v\n%s", name, err, raw)
				}
				for _, part := range parts {
					if !strings.Contains(string(raw), part) {
						t.Errorf("%s lacks %s:\n%s", name, part, raw)
					}
				}
				if strings.Contains(string(raw), `"chat_template"`) {
					t.Errorf("%s keeps the old template:\n%s", name, raw)
				}
			}
			if tok, err := files.Load(); err != nil || tok.ChatTemplate == "" || tok.ChatTemplate == "old" {
				t.Errorf("the tokenizer's template is %v", err)
			}
		})
	}
}
