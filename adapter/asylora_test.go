package adapter

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// TestAsyLoRA: A·Aᵀ = I; only B is counted and gets a gradient; the file has both.
func TestAsyLoRA(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "asylora", map[string]any{"r": 3, "target_modules": []string{"up_proj"}}))
	if a.NumTrainable() != 3*3*37 {
		t.Errorf("%d trainable", a.NumTrainable())
	}
	for _, l := range a.layers {
		low := l.Adapter.(*asylora)
		gram := tensor.New(3, 3)
		tensor.NT(gram, op.Data(low.a), op.Data(low.a), 0)
		golden.Close(t, "A·Aᵀ", gram.Data, identity(3).Data, 1e-6, false)
		low.Grad(identity(20), random(rand.New(rand.NewPCG(1, 2)), 20, 37))
		if low.a.HasGrad() || !low.b.HasGrad() {
			t.Error("A has a gradient, or B has none")
		}
	}
	if n := len(a.tensors()); n != 6 {
		t.Errorf("%d tensors are saved, want 6", n)
	}
	if _, err := Attach(t.Context(), m, "b", mustNew(t, "asylora", map[string]any{"r": 21, "target_modules": []string{"q_proj"}}), 1); err == nil || !strings.Contains(err.Error(), "larger than in_features 20") {
		t.Errorf("got %v", err)
	}
}

// TestAsyLoRATrainsA: with freeze_a false A starts orthogonal too, and both are trained and saved.
func TestAsyLoRATrainsA(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "asylora", map[string]any{"r": 3, "freeze_a": false, "target_modules": []string{"up_proj"}}))
	if a.NumTrainable() != 3*3*(20+37) || len(a.tensors()) != 6 {
		t.Errorf("%d trainable, %d tensors", a.NumTrainable(), len(a.tensors()))
	}
	for _, l := range a.layers {
		low := l.Adapter.(*lora)
		gram := tensor.New(3, 3)
		tensor.NT(gram, op.Data(low.a), op.Data(low.a), 0)
		golden.Close(t, "A·Aᵀ", gram.Data, identity(3).Data, 1e-6, false)
		if op.Data(low.b).Data[0] != 0 {
			t.Error("B is not zero")
		}
	}
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Load(t.Context(), tinyModel(t, true), dir, "b")
	if err != nil || again.NumTrainable() != a.NumTrainable() {
		t.Errorf("loaded, it has %d trainable parameters (%v)", again.NumTrainable(), err)
	}
}
