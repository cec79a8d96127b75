package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var before, after, acc float64
	var trained, tokens, vocab, hidden int
	var streamed string
	text := strings.NewReplacer("×", " ", ",", " ").Replace(out.String())
	if _, err := fmt.Sscanf(text, "circulant  blocks of 64 trains %d\nloss %f  trained %f\nacc %f\nstreamed %q\nlogits %d %d  hidden states 3 %d\n2 embeddings of 192",
		&trained, &before, &after, &acc, &streamed, &tokens, &vocab, &hidden); err != nil {
		t.Fatalf("%v in\n%s", err, &out)
	}
	if trained != 24576 || tokens != 3 || vocab != 256 || hidden != 192 {
		t.Errorf("sizes are wrong:\n%s", &out)
	}
	if !(before > 1 && after < 0.2) || acc != 1 || streamed == "" {
		t.Errorf("it has not learned the answers by heart:\n%s", &out)
	}
}

// TestTable makes the table of pairs.yaml, whose rows are a method of spagotune's and the one registered here.
func TestTable(t *testing.T) {
	var out bytes.Buffer
	o := experiments.Options{Output: t.TempDir(), Seeds: 2, Settings: []string{"max_steps=2", "warmup_steps=0"}, Out: &out}
	if err := experiments.Run(t.Context(), "pairs.yaml", o); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| lora | 2 | ", "| circulant | 2 | ", "| circulant | lora | held-out loss | 2 | ", "chosen"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}

const tinyOPT = `{"model_type": "opt", "vocab_size": 40, "hidden_size": 24, "word_embed_proj_dim": 24, "ffn_dim": 40, "num_hidden_layers": 2,
 "num_attention_heads": 3, "max_position_embeddings": 32, "init_std": 0.3, "dropout": 0.1, "pad_token_id": 1}`

// tiny is an OPT with random weights, and an adapter on it whose ΔW is not 0.
func tiny(t *testing.T) (*model.Model, *adapter.Adapter) {
	t.Helper()
	m, err := model.New([]byte(tinyOPT), model.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.Attach(t.Context(), m, "mine", &Circulant{BlockSize: 7}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] = 0.1 * float32(r.NormFloat64())
		}
	}
	return m, a
}

func ids(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32((i*i + 3) % 40)
	}
	return out
}

// TestGradients compares the gradients of the outside method, on the outside architecture, with differences of the loss.
func TestGradients(t *testing.T) {
	m, a := tiny(t)
	batch := &model.Batch{IDs: ids(9), Labels: ids(9), CuSeqLens: []int{0, 4, 9}}
	loss := func() float64 {
		sum := 0.0
		if err := op.Inference(a.Name, func(p *op.Pass) error {
			y, err := m.Loss(p, batch)
			if err != nil {
				return err
			}
			for _, v := range op.Matrix(y).Data {
				sum += float64(v)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return sum / 7
	}
	if err := gradients(m, a, batch); err != nil {
		t.Fatal(err)
	}
	for _, p := range a.Params() {
		w, g := op.Data(p.Param).Data, slices.Clone(op.Grad(p.Param).Data)
		for _, i := range []int{0, len(w) / 2, len(w) - 1} {
			const h = 3e-4
			x := w[i]
			w[i] = x + h
			up := loss()
			w[i] = x - h
			down := loss()
			w[i] = x
			if want := (up - down) / (2 * h); math.Abs(float64(g[i])-want) > 5e-3*max(0.2, math.Abs(want)) {
				t.Errorf("%s[%d]: gradient %g, differences say %g", p.Name, i, g[i], want)
			}
		}
	}
}

// TestSaveAndLoad writes the outside architecture with the outside method merged, and reads both back.
func TestSaveAndLoad(t *testing.T) {
	m, a := tiny(t)
	dir, adapterDir := t.TempDir(), t.TempDir()
	probe := []*model.Batch{{IDs: ids(12)}}
	want, err := infer.Logits(t.Context(), m, a.Name, probe)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(t.Context(), dir, a.Name, ""); err != nil {
		t.Fatal(err)
	}
	if err := a.Save(adapterDir); err != nil {
		t.Fatal(err)
	}
	base, err := model.New([]byte(tinyOPT), model.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := adapter.Load(t.Context(), base, adapterDir, "read"); err != nil {
		t.Fatal(err)
	}
	merged, err := model.Load(t.Context(), dir, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = merged.Close() }()
	for _, tt := range []struct {
		name, adapter string
		m             *model.Model
	}{{"merged", "", merged}, {"loaded", "read", base}} {
		got, err := infer.Logits(t.Context(), tt.m, tt.adapter, probe)
		if err != nil {
			t.Fatal(err)
		}
		if c := infer.CompareLogits(want, got); c.Largest > 1e-4 {
			t.Errorf("%s: logits are off by %g", tt.name, c.Largest)
		}
	}
}

// TestGenerate continues a text with the cache, and without it.
func TestGenerate(t *testing.T) {
	m, a := tiny(t)
	prompt := ids(5)
	out, err := m.Generate(context.Background(), [][]int32{prompt}, model.GenerationConfig{MaxNewTokens: 8, Adapter: a.Name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range out[0] {
		logits, err := infer.Logits(t.Context(), m, a.Name, []*model.Batch{{IDs: prompt}})
		if err != nil {
			t.Fatal(err)
		}
		last := logits[len(logits)-1]
		if best := slices.Index(last, slices.Max(last)); best != int(id) {
			t.Fatalf("after %v comes %d with the cache, %d without", prompt, id, best)
		}
		prompt = append(prompt, id)
	}
}
