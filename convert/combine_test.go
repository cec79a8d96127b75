package convert

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
)

// TestCombineFolders combines adapters of PEFT's, by LoRA and by MoRA, and opens what was made.
func TestCombineFolders(t *testing.T) {
	golden := filepath.Join("..", "testdata", "golden", "peft", "llama")
	in := func(names ...string) (all []WeightedFolder) {
		for i, n := range names {
			all = append(all, WeightedFolder{filepath.Join(golden, n), 1 - 1.5*float64(i)})
		}
		return all
	}
	for _, c := range []struct {
		parts  []WeightedFolder
		how    string
		method string
	}{{in("lora", "rslora", "mora1"), "cat", "LoRA"}, {in("mora6", "mora6"), "linear", "MoRA"}, {in("lora", "lora", "lora"), "cat", "LoRA"}} {
		out := filepath.Join(t.TempDir(), "combined")
		if c.how == "linear" {
			other := filepath.Join(t.TempDir(), "other")
			if err := os.CopyFS(other, os.DirFS(c.parts[1].Dir)); err != nil {
				t.Fatal(err)
			}
			c.parts[1].Dir = other
		}
		r, err := Combine(t.Context(), CombineOptions{Model: filepath.Join(golden, "base"), Adapters: c.parts, Output: out, CombineOptions: adapter.CombineOptions{How: c.how}})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(r.Method, c.method) || r.Error > 1e-5 || r.Layers == 0 {
			t.Errorf("%s made %+v", c.how, r)
		}
		s, err := infer.Open(t.Context(), filepath.Join(golden, "base"), out)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(s.Attached.Layers()); got != r.Layers {
			t.Errorf("%s: %d layers were saved, want %d", c.how, got, r.Layers)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCombineRefuses checks what cannot be combined, and that nothing is written then.
func TestCombineRefuses(t *testing.T) {
	golden := filepath.Join("..", "testdata", "golden", "peft", "llama")
	lora := WeightedFolder{filepath.Join(golden, "lora"), 1}
	for want, parts := range map[string][]WeightedFolder{
		"at least two":                 {lora},
		"adapter_config.json: no such": {lora, {t.TempDir(), 1}},
		"no such folder":               {{filepath.Join(golden, "absent"), 1}, lora},
	} {
		out := filepath.Join(t.TempDir(), "combined")
		_, err := Combine(t.Context(), CombineOptions{Model: filepath.Join(golden, "base"), Adapters: parts, Output: out, CombineOptions: adapter.CombineOptions{How: "cat"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was written: %v", want, err)
		}
	}
}

// TestCombineWeights: a weight that float32 does not have is refused.
func TestCombineWeights(t *testing.T) {
	golden := filepath.Join("..", "testdata", "golden", "peft", "llama")
	for _, w := range []float64{1e39, math.Inf(-1), math.NaN()} {
		_, err := Combine(t.Context(), CombineOptions{Model: filepath.Join(golden, "base"), Output: filepath.Join(t.TempDir(), "combined"),
			Adapters: []WeightedFolder{{filepath.Join(golden, "lora"), 1}, {filepath.Join(golden, "rslora"), w}}, CombineOptions: adapter.CombineOptions{How: "cat"}})
		if err == nil || !strings.Contains(err.Error(), "want a number that float32 has") {
			t.Errorf("%g: %v", w, err)
		}
	}
}
