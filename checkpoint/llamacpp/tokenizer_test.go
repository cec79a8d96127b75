package llamacpp_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// texts are cut and joined in all sorts of ways.
var texts = []string{
	"The sea is a vast body of water.", " two  spaces and\n\nnew lines\n", "It's 1234567 o'clock, isn't IT'S?", "ünïcödé — 漢字 🙂 end",
	"func max(a, b int) int {\n\treturn b\n}", "x", "<|im_start|>user\nHi<|im_end|>\n", "camelCase and SHOUTING_snake 3.14e-10%",
}

// optional reads files that may be missing.
func optional(files fs.FS) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		raw, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return raw, err
	}
}

const llamaConfig = `{"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "rope_theta": 10000}`

// write writes a GGUF file with a folder's tokenizer and no weights that matter.
func write(t *testing.T, dir, config string, vocab int) (string, error) {
	t.Helper()
	layout, err := llamacpp.NewLayout([]byte(config), 32, func(name string) []int {
		if strings.Contains(name, "embed") {
			return []int{vocab, 8}
		}
		return []int{8, 8}
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := layout.Metadata(optional(os.DirFS(dir)))
	if err != nil {
		return "", err
	}
	embed := gguf.Quantized("token_embd.weight", gguf.F16, tensor.New(vocab, 8), vocab, 8)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := gguf.Write(t.Context(), path, m, []gguf.Entry{embed}); err != nil {
		t.Fatal(err)
	}
	return path, nil
}

// TestTokenizers writes tokenizers as llama.cpp keeps them, reads them back and wants the same ids.
func TestTokenizers(t *testing.T) {
	root := filepath.Join(golden.Repository(t), "testdata", "golden", "tokenizers")
	for _, name := range []string{"smollm2", "qwen2", "llama3", "llama2", "bert_minilm"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, name)
			want, err := tokenizer.Load(dir)
			if err != nil {
				t.Skip(err)
			}
			config := llamaConfig
			if name == "bert_minilm" {
				config = strings.Replace(config, "llama", "bert", 1)
			}
			path, err := write(t, dir, config, want.VocabSize())
			if err != nil {
				t.Fatal(err)
			}
			got, err := tokenizer.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range texts {
				if a, b := got.Encode(text, true), want.Encode(text, true); !slices.Equal(a, b) {
					t.Errorf("%q becomes\n%v, want\n%v", text, a, b)
				}
			}
			if got.ChatTemplate != want.ChatTemplate {
				t.Error("the chat template is another one")
			}
		})
	}
}

// TestUnsupportedTokenizers: what llama.cpp has no name for is an error, not a guess.
func TestUnsupportedTokenizers(t *testing.T) {
	root := filepath.Join(golden.Repository(t), "testdata", "golden", "tokenizers")
	if _, err := write(t, filepath.Join(root, "unigram_t5"), llamaConfig, 3000); !errors.Is(err, llamacpp.ErrUnsupported) {
		t.Errorf("Unigram: %v", err)
	}
	if _, err := write(t, t.TempDir(), llamaConfig, 30); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("no tokenizer: %v", err)
	}
	if _, err := write(t, filepath.Join(root, "qwen2"), llamaConfig, 30); err == nil || !strings.Contains(err.Error(), "the model has 30 tokens") {
		t.Errorf("too many tokens: %v", err)
	}
}

// TestAddsBOS: the key decides, and without it the kind of tokenizer.
func TestAddsBOS(t *testing.T) {
	for _, tt := range []struct {
		model, pre string
		key        any
		want       bool
	}{
		{"llama", "default", nil, true}, {"llama", "default", false, false}, {"gpt2", "smollm", nil, false}, {"gpt2", "smollm", true, true},
		{"gpt2", "llama-bpe", nil, true}, {"gpt2", "unheard-of", nil, false}, {"bert", "", nil, false}, {"", "", nil, false},
	} {
		var m gguf.Metadata
		m.Set("tokenizer.ggml.model", tt.model)
		m.Set("tokenizer.ggml.pre", tt.pre)
		if tt.key != nil {
			m.Set("tokenizer.ggml.add_bos_token", tt.key)
		}
		if got := llamacpp.AddsBOS(&m); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
