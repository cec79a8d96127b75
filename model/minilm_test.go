package model_test

import (
	"os"
	"slices"
	"testing"

	cybert "github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tokenizer"
)

// miniLM is the folder of all-MiniLM-L6-v2 that SPAGOTUNE_MINILM names; without it the test is skipped. testdata/golden/minilm
// has transformers' outputs for some sentences: ids, last hidden states, the pooler's output.
func miniLM(t *testing.T) (dir string, io *golden.File, b *model.Batch) {
	t.Helper()
	dir = os.Getenv("SPAGOTUNE_MINILM")
	if dir == "" {
		t.Skip("SPAGOTUNE_MINILM is not set")
	}
	io = golden.Open(t, "../testdata/golden/minilm/io.safetensors")
	b = &model.Batch{IDs: int32s(io.Int(t, "input_ids")), TokenTypeIDs: int32s(io.Int(t, "token_type_ids")), CuSeqLens: io.Int(t, "bounds")}
	return dir, io, b
}

func int32s(v []int) []int32 {
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}

func hidden(t *testing.T, m *model.Model, b *model.Batch) []float32 {
	t.Helper()
	p := &op.Pass{}
	defer p.Release()
	y, err := m.LastHiddenState(p, b)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y.Data)
}

// TestMiniLMHuggingFace compares with transformers to 1e-4.
func TestMiniLMHuggingFace(t *testing.T) {
	dir, io, b := miniLM(t)
	m, err := model.Load(t.Context(), dir, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	h := hidden(t, m, b)
	golden.Close(t, "last_hidden_state", h, io.Float32(t, "last_hidden_state"), 1e-4, false)

	p := &op.Pass{}
	defer p.Release()
	y, err := m.PoolerOutput(p, b)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "pooler_output", y.Data, io.Float32(t, "pooler_output"), 1e-4, false)
}

// TestMiniLMCybertron: the converted model computes what Cybertron does, to 1e-5; so does the model that is read from Hugging
// Face's folder with Cybertron's numerics.
func TestMiniLMCybertron(t *testing.T) {
	dir, _, b := miniLM(t)
	m, err := model.Load(t.Context(), dir, model.Options{Numerics: model.Cybertron})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	folder := saveCybertron(t, m, "")
	task := loadTask(t, folder, head.FeatureExtraction)
	converted, err := model.FromCybertron(task, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(converted.Warnings) > 0 {
		t.Error(converted.Warnings)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	bert := converted.Cybertron().(*cybert.ModelForSequenceEncoding).Bert
	var want []float32
	for d := range len(b.CuSeqLens) - 1 {
		var tokens []string
		for _, id := range b.IDs[b.CuSeqLens[d]:b.CuSeqLens[d+1]] {
			s, _ := tok.Token(id)
			tokens = append(tokens, s)
		}
		for _, y := range bert.EncodeTokens(tokens) {
			want = append(want, mat.Data[float32](y.Value())...)
		}
	}
	golden.Close(t, "from Cybertron", hidden(t, converted, b), want, 1e-5, false)
	golden.Close(t, "from Hugging Face's folder", hidden(t, m, b), want, 1e-5, false)
	if _, err := task.(textencoding.Interface).Encode(t.Context(), "The cat sat .", 1); err != nil {
		t.Error(err)
	}
}
