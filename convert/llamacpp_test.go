package convert

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// llamaEnv names a Python with llama-cpp-python 0.3.36.
const llamaEnv = "SPAGOTUNE_LLAMACPP"

// llamaToken is a token that llama.cpp takes, and how far its logit is above the second best.
type llamaToken struct {
	Token int32
	Gap   float64
}

// llamaTexts are llama.cpp's greedy texts; lora is a GGUF adapter or "-".
func llamaTexts(t *testing.T, model, lora string, prompts [][]int32, n int) [][]llamaToken {
	t.Helper()
	python := os.Getenv(llamaEnv)
	if python == "" {
		t.Skip(llamaEnv + " names no Python with llama-cpp-python")
	}
	ids, err := json.Marshal(prompts)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(python, filepath.Join("testdata", "greedy.py"), model, lora, string(ids), fmt.Sprint(n))
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var texts [][]llamaToken
	if err := json.Unmarshal(out, &texts); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return texts
}

// nearTie is the gap below which llama.cpp, whose sums differ, may take another token.
const nearTie = 0.05

// sameTexts compares our greedy texts with llama.cpp's, up to the first near tie.
func sameTexts(t *testing.T, s *infer.Session, prompts [][]int32, want [][]llamaToken, n int) {
	t.Helper()
	g, err := s.Generation(model.GenerationConfig{MaxNewTokens: n})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Model.Generate(t.Context(), prompts, g, nil)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i, text := range want {
		ours := append(append([]int32(nil), got[i]...), -1)
		for k, w := range text {
			if ours[k] == w.Token {
				compared++
				continue
			}
			if w.Gap >= nearTie {
				t.Errorf("prompt %d: token %d is %d, llama.cpp's %d, %.3g above its second best", i, k, ours[k], w.Token, w.Gap)
			}
			break
		}
	}
	if compared < n/2 {
		t.Errorf("only %d tokens were compared", compared)
	}
	t.Logf("%d tokens of %d texts of at most %d are llama.cpp's", compared, len(want), n)
}

// bytePrompts are three prompts for the byte tokenizer.
func bytePrompts(t *testing.T, s *infer.Session) [][]int32 {
	t.Helper()
	tok, err := s.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	var prompts [][]int32
	for _, text := range []string{"Once upon a time", "The capital of France is", "12 + 30 ="} {
		prompts = append(prompts, tok.Encode(text, true))
	}
	return prompts
}

func openSession(t *testing.T, name, adapter string) *infer.Session {
	t.Helper()
	s, err := infer.Open(t.Context(), name, adapter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestLlamaCpp opens our GGUF files by llama.cpp: models of every architecture, adapters as LoRA and merged.
func TestLlamaCpp(t *testing.T) {
	const n = 64
	for _, tt := range decoders {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "m.gguf")
			if _, err := GGUF(t.Context(), GGUFOptions{Model: decoderFolder(t, tt.modelType, tt.more), Output: out}); err != nil {
				t.Fatal(err)
			}
			s := openSession(t, out, "")
			prompts := bytePrompts(t, s)
			sameTexts(t, s, prompts, llamaTexts(t, out, "-", prompts, n), n)
		})
	}
	for _, tt := range decoders {
		if slices.Contains([]string{"granite", "phi3", "gpt2"}, tt.name) { // rows in another order, fused and transposed layers
			t.Run("adapter on "+tt.name, func(t *testing.T) {
				base, file, out := decoderFolder(t, tt.modelType, tt.more), filepath.Join(t.TempDir(), "base.gguf"), filepath.Join(t.TempDir(), "a.gguf")
				if _, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: file}); err != nil {
					t.Fatal(err)
				}
				dir := stirAdapter(t, base, "lora", map[string]any{"r": 4, "target_modules": "all-linear"})
				if _, err := LoRAGGUF(t.Context(), LoRAOptions{Model: base, Adapter: dir, Output: out}); err != nil {
					t.Fatal(err)
				}
				s := openSession(t, base, dir)
				prompts := bytePrompts(t, s)
				sameTexts(t, s, prompts, llamaTexts(t, file, out, prompts, n), n)
			})
		}
	}
	base := decoderFolder(t, "llama", "")
	file := filepath.Join(t.TempDir(), "base.gguf")
	if _, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: file}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range loras {
		t.Run("adapter "+tt.name, func(t *testing.T) {
			dir, out := stirAdapter(t, base, tt.method, tt.settings), filepath.Join(t.TempDir(), "a.gguf")
			s := openSession(t, base, dir)
			prompts := bytePrompts(t, s)
			if !tt.exact { // merging is the exact way
				if _, err := GGUF(t.Context(), GGUFOptions{Model: base, Adapter: dir, Output: out}); err != nil {
					t.Fatal(err)
				}
				sameTexts(t, s, prompts, llamaTexts(t, out, "-", prompts, n), n)
				return
			}
			if _, err := LoRAGGUF(t.Context(), LoRAOptions{Model: base, Adapter: dir, Output: out}); err != nil {
				t.Fatal(err)
			}
			sameTexts(t, s, prompts, llamaTexts(t, file, out, prompts, n), n)
		})
	}
}
