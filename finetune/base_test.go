package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/infer"
)

// TestBaseThatChanged: a run is not resumed on other weights; elsewhere an adapter on another base is reported.
func TestBaseThatChanged(t *testing.T) {
	base, err := infer.ModelDir(infer.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
		t.Fatal(err)
	}
	c := smallRun(t, "lora")
	c.Model = ModelSpec{Path: dir}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Run(ctx, c, Options{Progress: func(p Progress) {
		if p.Step == 3 {
			cancel()
		}
	}}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	adapterDir := checkpointDir(c.Save.OutputDir, 3)
	warnings := func(base string) string {
		s, err := infer.Open(t.Context(), base, adapterDir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		return strings.Join(s.Model.Warnings, "\n")
	}
	if w := warnings(dir); strings.Contains(w, "another base") {
		t.Errorf("the same base: %s", w)
	}
	file := filepath.Join(dir, "model.safetensors")
	weights, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(weights) / 2; i < len(weights); i++ {
		weights[i] ^= 1
	}
	if err := os.Remove(file); err != nil { // the embedded one is in a cache that others use
		t.Fatal(err)
	}
	if err := os.WriteFile(file, weights, 0o666); err != nil {
		t.Fatal(err)
	}
	if w := warnings(dir); !strings.Contains(w, "was trained on another base") {
		t.Errorf("another base: %q", w)
	}
	if w := warnings(infer.Embedded); strings.Contains(w, "another base") {
		t.Errorf("the same base by its name: %s", w)
	}
	if _, err := Run(t.Context(), c, Options{Resume: true}); err == nil || !strings.Contains(err.Error(), "have changed since") {
		t.Errorf("got %v", err)
	}
	var log bytes.Buffer
	on := c
	on.Method, on.Save.OutputDir = MethodSpec{Adapter: adapterDir}, filepath.Join(t.TempDir(), "on")
	if _, err := Run(t.Context(), on, Options{Log: zerolog.New(&log)}); err != nil || !strings.Contains(log.String(), "another base") {
		t.Errorf("got %v: %s", err, &log)
	}
}

// TestTokenizerThatChanged: a run is not resumed with another tokenizer, even if its rows are the same; elsewhere that is reported.
func TestTokenizerThatChanged(t *testing.T) {
	base, err := infer.ModelDir(infer.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"lora", "full"} {
		dir := filepath.Join(t.TempDir(), "model")
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		c := smallRun(t, method)
		c.Model = ModelSpec{Path: dir}
		c.Train.MaxSteps = 4
		c.Save.Steps = 2
		if _, err := Run(t.Context(), c, Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), c, Options{Resume: true}); err != nil {
			t.Errorf("%s with the same tokenizer: %v", method, err)
		}
		file := filepath.Join(dir, "tokenizer.json")
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		if err := json.Unmarshal(raw, &keys); err != nil {
			t.Fatal(err)
		}
		vocabulary := keys["model"].(map[string]any)["vocab"].(map[string]any)
		vocabulary["X"], vocabulary["Y"] = vocabulary["Y"], vocabulary["X"] // which UUIDs do not have
		if raw, err = json.Marshal(keys); err == nil {
			err = errors.Join(os.Remove(file), os.WriteFile(file, raw, 0o666))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), c, Options{Resume: true}); err == nil || !strings.Contains(err.Error(), "tokenizer: that in") {
			t.Errorf("%s with another tokenizer: %v", method, err)
		}
		if method == "full" {
			continue
		}
		s, err := infer.Open(t.Context(), dir, c.Save.OutputDir)
		if err != nil {
			t.Fatal(err)
		}
		if w := strings.Join(s.Model.Warnings, "\n"); !strings.Contains(w, "another tokenizer") {
			t.Errorf("opened with another tokenizer: %q", w)
		}
		_ = s.Close()
		var log bytes.Buffer
		on := c
		on.Method, on.Save.OutputDir = MethodSpec{Adapter: c.Save.OutputDir}, filepath.Join(t.TempDir(), "on")
		if _, err := Run(t.Context(), on, Options{Log: zerolog.New(&log)}); err != nil || !strings.Contains(log.String(), "another tokenizer") {
			t.Errorf("continued: %v: %s", err, &log)
		}
	}
}
