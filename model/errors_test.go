package model

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
)

// TestErrorsAreToldApart: ErrUnsupported is for configs that ask for more than this package computes, and MismatchError for
// weights that do not fit.
func TestErrorsAreToldApart(t *testing.T) {
	if _, err := New([]byte(`{"model_type": "mamba"}`), Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if _, err := New([]byte(`{"model_type": "llama"}`), Options{}); err == nil || errors.Is(err, ErrUnsupported) {
		t.Errorf("a config without sizes is wrong, not unsupported: %v", err)
	}
	m, err := Load(t.Context(), golden.Roots(t, "models", "llama")[0], Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	dir := filepath.Join(t.TempDir(), "m")
	if err := m.Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	list := []checkpoint.Tensor{checkpoint.F32("model.extra", []float32{1}, 1), checkpoint.F32("model.norm.weight", []float32{1}, 1)}
	if err := checkpoint.Write(filepath.Join(dir, "model.safetensors"), list, nil); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), dir, Options{})
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || !slices.Equal(mismatch.Unexpected, []string{"model.extra"}) || len(mismatch.Shape) != 1 || len(mismatch.Missing) < 10 {
		t.Errorf("got %v", err)
	}
}
