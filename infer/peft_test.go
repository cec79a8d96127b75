package infer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// closeLogits compares a model's logits with those of a golden file.
func closeLogits(t *testing.T, what string, io *golden.File, m *model.Model, name string) {
	t.Helper()
	shape, ids, want := io.Shape(t, "input_ids"), io.Int(t, "input_ids"), io.Float32(t, "logits")
	for r := range shape[0] {
		b := &model.Batch{}
		for _, id := range ids[r*shape[1] : (r+1)*shape[1]] {
			b.IDs = append(b.IDs, int32(id))
		}
		err := op.Inference(name, func(p *op.Pass) error {
			y, err := m.Logits(p, b, nil, nil)
			if err == nil {
				n := len(y.Data)
				golden.Close(t, what, y.Data, want[r*n:(r+1)*n], 1e-4, true)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestResizedVocabulary opens PEFT's adapters of models whose embeddings were resized: the model gets as many tokens as the
// adapter has, with the adapter and merged.
func TestResizedVocabulary(t *testing.T) {
	for _, base := range golden.Cases(t, "peft_resized") {
		entries, err := os.ReadDir(base.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == "base" {
				continue
			}
			t.Run(base.Name+"/"+e.Name(), func(t *testing.T) {
				io := golden.Open(t, base.Path(e.Name(), "io.safetensors"))
				s, err := Open(t.Context(), base.Path("base"), base.Path(e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				shape := io.Shape(t, "logits")
				if n := s.Model.Config().VocabSize; n != shape[2] {
					t.Fatalf("%d tokens, want %d", n, shape[2])
				}
				closeLogits(t, "logits", io, s.Model, s.Adapter)
				dir := filepath.Join(t.TempDir(), "merged")
				if err := s.Model.Save(t.Context(), dir, s.Adapter, ""); err != nil {
					t.Fatal(err)
				}
				closeLogits(t, "merged folder", io, tiny.Load(t, dir), "")
				again := t.TempDir()
				if err := s.Attached.Save(again); err != nil {
					t.Fatal(err)
				}
				two, err := Open(t.Context(), base.Path("base"), again)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = two.Close() }()
				closeLogits(t, "saved again", io, two.Model, two.Adapter)
			})
		}
	}
}

// TestRowsThatNobodyHas: an adapter for more tokens than the base must bring the rows.
func TestRowsThatNobodyHas(t *testing.T) {
	base := filepath.Join(golden.Repository(t), "testdata", "golden", "peft_resized", "llama-untied", "base")
	m := tiny.Load(t, base)
	for _, modules := range [][]string{{"embed_tokens"}, {"embed_tokens", "lm_head"}} {
		big, err := model.Load(t.Context(), base, model.Options{VocabSize: m.Config().VocabSize + 2})
		if err != nil {
			t.Fatal(err)
		}
		a, err := adapter.Attach(t.Context(), big, "a", &adapter.LoRA{Common: adapter.Common{ModulesToSave: modules}, R: 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), base, dir)
		if whole := len(modules) == 2; whole != (err == nil) || err != nil && !strings.Contains(err.Error(), "has lm_head.weight, which would be random") {
			t.Errorf("%v: got %v", modules, err)
		}
		if s != nil {
			_ = s.Close()
		}
		_ = big.Close()
	}
}
