package convert

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// step is the loss and the adapter's gradients of one pass on a model.
func step(t *testing.T, path, method string) (loss []float32, grads [][]float32) {
	t.Helper()
	m := tiny.Load(t, path)
	way, err := adapter.New(method, map[string]any{"r": 2, "init_lora_weights": false})
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.Attach(t.Context(), m, "x", way, 1)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, 100)
	for i := range ids {
		ids[i] = int32(i * 37 % 256)
	}
	p := &op.Pass{Adapter: "x", Grad: true, Train: true}
	defer p.Release()
	losses, err := m.Loss(p, &model.Batch{IDs: ids, Labels: ids})
	if err != nil {
		t.Fatal(err)
	}
	loss = slices.Clone(op.Matrix(losses).Data)
	if err := p.Backward(losses, 0.01); err != nil {
		t.Fatal(err)
	}
	for _, p := range a.Params() {
		grads = append(grads, slices.Clone(op.Grad(p.Param).Data))
	}
	return loss, grads
}

// TestGGUFTrains: losses and gradients on quantized blocks have the bits of those on the same file unpacked to float32.
func TestGGUFTrains(t *testing.T) {
	base := decoderFolder(t, "llama", "")
	for _, typ := range []string{"Q8_0", "Q4_1", "Q5_0"} {
		file, folder := filepath.Join(t.TempDir(), "m.gguf"), filepath.Join(t.TempDir(), "unpacked")
		if _, err := GGUF(t.Context(), GGUFOptions{Model: base, Output: file, Type: typ}); err != nil {
			t.Fatal(err)
		}
		if _, err := Merge(t.Context(), file, "", folder, ""); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"lora", "mora"} {
			loss, grads := step(t, file, method)
			wantLoss, wantGrads := step(t, folder, method)
			if !slices.Equal(loss, wantLoss) || len(grads) == 0 || slices.Max(loss) == 0 {
				t.Errorf("%s, %s: losses differ", typ, method)
			}
			for i := range grads {
				if !slices.Equal(grads[i], wantGrads[i]) {
					t.Errorf("%s, %s: gradient %d differs", typ, method, i)
				}
			}
		}
	}
}
