package model

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/lfs"
)

// TestPathsThatAreNoModel: each says what it is and what to do.
func TestPathsThatAreNoModel(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 269060552\n"
	llama := string(with(t))
	for _, tt := range []struct {
		name  string
		files map[string]string // by path within the folder
		path  string            // within the folder, unless it has files
		want  []string
	}{
		{"missing", nil, "none", []string{"no such folder; want a Hugging Face folder"}},
		{"file", map[string]string{"config.json": llama}, "config.json", []string{"is a file; want the Hugging Face folder that contains it"}},
		{"empty", map[string]string{"README.md": ""}, "", []string{"has no config.json; want a Hugging Face folder"}},
		{"GGUF file", map[string]string{"m.gguf": "GGUF\x03"}, "m.gguf", []string{"m.gguf: "}},
		{"folder of GGUF files", map[string]string{"m-Q4_K.gguf": "GGUF\x03"}, "", []string{"but a GGUF file: to open that, name ", "m-Q4_K.gguf"}},
		{"adapter", map[string]string{"adapter_config.json": `{"base_model_name_or_path": "org/base"}`}, "",
			[]string{"is the folder of an adapter, not of a model: name its base model (org/base) as the model, and this folder as the adapter"}},
		{"adapter without a base", map[string]string{"adapter_config.json": `{"base_model_name_or_path": null}`}, "", []string{"name its base model as the model"}},
		{"cache", map[string]string{"refs/main": "abc", "snapshots/abc/config.json": llama}, "", []string{"is a repository in the Hub's cache; the model is in ", "snapshots/abc"}},
		{"Meta's format", map[string]string{"params.json": "{}", "consolidated.00.pth": ""}, "", []string{"has params.json", "in Hugging Face's format"}},
		{"config.json in LFS", map[string]string{"config.json": pointer}, "", []string{"config.json: this is a Git LFS pointer, not the file itself of 269,060,552 bytes: run \"git lfs install\" and \"git lfs pull\""}},
		{"safetensors in LFS", map[string]string{"config.json": llama, "model.safetensors": pointer}, "", []string{"model.safetensors: this is a Git LFS pointer"}},
		{"pickle in LFS", map[string]string{"config.json": llama, "pytorch_model.bin": pointer}, "", []string{"pytorch_model.bin: this is a Git LFS pointer"}},
		{"index in LFS", map[string]string{"config.json": llama, "model.safetensors.index.json": pointer}, "", []string{"model.safetensors.index.json: this is a Git LFS pointer"}},
		{"shard in LFS", map[string]string{"config.json": llama, "model.safetensors.index.json": `{"weight_map": {"a": "a.safetensors"}}`, "a.safetensors": pointer}, "",
			[]string{"a.safetensors: this is a Git LFS pointer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(t.Context(), filepath.Join(dir, tt.path), Options{})
			for _, want := range tt.want {
				if err == nil || !strings.Contains(filepath.ToSlash(err.Error()), want) {
					t.Errorf("got error %v, want one with %q", err, want)
				}
			}
			if strings.HasSuffix(tt.name, "LFS") && !errors.Is(err, lfs.ErrPointer) {
				t.Errorf("%v is no lfs.ErrPointer", err)
			}
		})
	}
}

func TestHubNamesAsPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]string{
		"HuggingFaceTB/SmolLM2-135M":       `if it is a name on the Hugging Face Hub, "finetune hub download HuggingFaceTB/SmolLM2-135M" brings the model`,
		"org/name@refs/pr/1":               `"finetune hub download org/name@refs/pr/1"`,
		"gpt2":                             "no such folder; want",
		"./a/b":                            "no such folder; want",
		filepath.Join("a", "b", "c"):       "no such folder; want",
		string(filepath.Separator) + "a.b": "no such folder; want",
	} {
		if _, err := Load(t.Context(), name, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, want)
		}
	}
}
