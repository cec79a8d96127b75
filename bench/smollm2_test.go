package bench

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/verify"
)

// smolLM2 opens SmolLM2-135M in the folder that SPAGOTUNE_SMOLLM2 names. path returns the path of a golden file of it
// in the folder that SPAGOTUNE_GOLDEN names (testdata/golden/README.md). Without both the test is skipped.
func smolLM2(t *testing.T) (s *infer.Session, path func(file string) string) {
	t.Helper()
	dir, root := os.Getenv("SPAGOTUNE_SMOLLM2"), os.Getenv(golden.Env)
	if dir == "" || root == "" {
		t.Skip("SPAGOTUNE_SMOLLM2 or " + golden.Env + " is not set")
	}
	s, err := infer.Open(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if !filepath.IsAbs(root) {
		root = filepath.Join("..", root)
	}
	return s, func(file string) string { return filepath.Join(root, "smollm2", file) }
}

func TestSmolLM2Verify(t *testing.T) {
	s, path := smolLM2(t)
	r, err := verify.Against(t.Context(), s.Model, "", path("reference.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if worst, bad := r.Beyond(1e-3); bad > 0 || len(r) < 3 {
		t.Errorf("%d of %d beyond 1e-3, the worst %+v", bad, len(r), worst)
	}
}

func TestSmolLM2Greedy(t *testing.T) {
	s, path := smolLM2(t)
	var cases []struct {
		Question, Prompt, Output string
		PromptIDs                []int32 `json:"prompt_ids"`
		OutputIDs                []int32 `json:"output_ids"`
	}
	golden.JSON(t, path("greedy.json"), &cases)
	for _, c := range cases {
		ids, err := s.EncodePrompt(c.Question, infer.PromptOptions{Chat: true})
		if err != nil || !slices.Equal(ids, c.PromptIDs) {
			t.Errorf("%s: prompt %v, %v, want %v", c.Question, ids, err, c.PromptIDs)
		}
		text, err := s.Complete(t.Context(), ids, model.GenerationConfig{MaxNewTokens: len(c.OutputIDs)}, nil)
		if err != nil || text.Text != c.Output {
			t.Errorf("%s: got %q, %v, want %q", c.Question, text.Text, err, c.Output)
		}
	}
}

// TestSmolLM2Losses compares the first losses on GSM8K with PyTorch's (gsm8k_losses.json), to 1e-2 relative.
func TestSmolLM2Losses(t *testing.T) {
	for method, key := range map[string]string{"mora6": "mora_type_6", "mora1": "mora_type_1", "lora": "lora_first_step"} {
		t.Run(method, func(t *testing.T) {
			s, path := smolLM2(t)
			tok, err := s.Tokenizer()
			if err != nil {
				t.Fatal(err)
			}
			var file map[string]any
			golden.JSON(t, path("gsm8k_losses.json"), &file)
			want, ok := file[key].([]any)
			if !ok {
				want = []any{file[key]}
			}
			task, err := evaluate.Task("math", tasks.Train, "embedded:gsm8k/train.jsonl", []string{"form=raw"})
			if err != nil {
				t.Fatal(err)
			}
			r, err := Train(t.Context(), s.Model, tok, task, Options{Method: method, Batch: 4, Steps: max(1, len(want)-1)})
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if math.Abs(r.Losses[i]/w.(float64)-1) > 1e-2 {
					t.Errorf("step %d: loss %.4f, want %.4f", i+1, r.Losses[i], w)
				}
			}
		})
	}
}
