package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
)

// TestMetaCounts: a model without values has as many parameters as one with values.
func TestMetaCounts(t *testing.T) {
	for _, dir := range golden.Roots(t, "models", "llama") {
		config, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewMeta(config)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Load(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if b.NumParameters() != m.NumParameters() || b.Config() != m.Config() {
			t.Errorf("%s: the model without values has %d parameters and %+v, want %d and %+v", dir, b.NumParameters(), b.Config(), m.NumParameters(), m.Config())
		}
		_ = m.Close()
	}
	if _, err := NewMeta(json.RawMessage(`{"model_type": "lama"}`)); err == nil {
		t.Error("an unknown model_type was taken")
	}
}
