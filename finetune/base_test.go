package finetune

import (
	"bytes"
	"context"
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
