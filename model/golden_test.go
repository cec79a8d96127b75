package model

import (
	"context"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/op"
)

// goldenBatch reads right-padded rows as a batch without padding. at lists where its tokens stand in the padded rows.
func goldenBatch(t testing.TB, f *golden.File, prefix string) (b *Batch, at []int) {
	ids, mask := f.Int(t, prefix+"input_ids"), []int(nil)
	if f.Has(prefix + "attention_mask") {
		mask = f.Int(t, prefix+"attention_mask")
	}
	var labels []int
	if f.Has(prefix + "labels") {
		labels = f.Int(t, prefix+"labels")
	}
	shape := f.Shape(t, prefix+"input_ids")
	b = &Batch{Bounds: []int{0}}
	for r := range shape[0] {
		for c := range shape[1] {
			i := r*shape[1] + c
			if mask != nil && mask[i] == 0 {
				continue
			}
			at = append(at, i)
			b.IDs = append(b.IDs, int32(ids[i]))
			if labels != nil {
				b.Labels = append(b.Labels, int32(labels[i]))
			}
		}
		b.Bounds = append(b.Bounds, len(b.IDs))
	}
	return b, at
}

// rowsAt gathers the rows of padded values.
func rowsAt(v []float32, at []int, cols int) []float32 {
	var out []float32
	for _, i := range at {
		out = append(out, v[i*cols:(i+1)*cols]...)
	}
	return out
}

// causal says whether a golden folder holds a model that this package serves as a causal one.
func causal(t testing.TB, c golden.Case) bool {
	var config struct {
		ModelType string `json:"model_type"`
	}
	golden.JSON(t, c.Path("config.json"), &config)
	return families[config.ModelType].Kind == CausalLM
}

// TestGoldenModels compares logits, loss, every gradient and greedy generation with transformers' (golden/README.md).
func TestGoldenModels(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		t.Run(c.Name, func(t *testing.T) {
			if !causal(t, c) {
				t.Skip("not a causal model")
			}
			m, err := Load(c.Dir)
			if err != nil {
				t.Fatal(err)
			}
			f := golden.Open(t, c.Path("io.safetensors"))
			b, at := goldenBatch(t, f, "")
			checkLogits(t, m, f, b, at)
			checkGradients(t, m, f, b)
			checkGreedy(t, m, f)
		})
	}
}

func checkLogits(t *testing.T, m *Model, f *golden.File, b *Batch, at []int) {
	tape := op.NewTape(false)
	defer tape.Release()
	got, err := m.Logits(tape, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "logits", got.Data, rowsAt(f.Float32(t, "logits"), at, m.Sizes().Vocab), 2e-4, false)
}

func checkGradients(t *testing.T, m *Model, f *golden.File, b *Batch) {
	m.Weights(func(w *Weight) { w.Train() })
	defer m.Weights(func(w *Weight) { w.Freeze() })
	tape := op.NewTape(true)
	defer tape.Release()
	losses, err := m.Loss(tape, b)
	if err != nil {
		t.Fatal(err)
	}
	n, sum := op.Mat(losses).Rows, 0.0
	for _, v := range op.Mat(losses).Data {
		sum += float64(v)
	}
	golden.Close(t, "loss", []float32{float32(sum / float64(n))}, f.Float32(t, "loss"), 2e-5, false)
	if err := tape.Backward(losses, 1/float32(n)); err != nil {
		t.Fatal(err)
	}
	seen := 0
	m.Weights(func(w *Weight) {
		if name := "grad." + w.Name; f.Has(name) {
			seen++
			golden.Close(t, name, op.Grad(w.Param("")).Data, f.Float32(t, name), 1e-3, true)
		}
	})
	want := 0
	for _, name := range f.Names() {
		if strings.HasPrefix(name, "grad.") {
			want++
		}
	}
	if seen != want {
		t.Errorf("%d gradients compared, the file has %d", seen, want)
	}
}

func checkGreedy(t *testing.T, m *Model, f *golden.File) {
	if !f.Has("greedy") {
		return
	}
	want := f.Int(t, "greedy")
	prompt := make([]int32, 8)
	for i := range prompt {
		prompt[i] = int32(want[i])
	}
	got, err := m.Generate(context.Background(), [][]int32{prompt, prompt[:3]}, Sampling{MaxNewTokens: len(want) - 8}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range got[0] {
		if int(id) != want[8+i] {
			t.Fatalf("greedy token %d is %d, want %d", i, id, want[8+i])
		}
	}
	if len(got[0]) != len(want)-8 {
		t.Errorf("%d greedy tokens, want %d", len(got[0]), len(want)-8)
	}
}
