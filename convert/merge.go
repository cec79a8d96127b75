package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
)

// MergeReport says how much the merged model differs from the base with its adapter.
type MergeReport struct {
	Output string `json:"output"`
	// LogitChange compares the logits for a few inputs.
	infer.LogitChange
	// Bytes is the size of the merged weights.
	Bytes int `json:"weight_bytes"`
	// Notes say what is odd about the model.
	Notes []string `json:"notes,omitempty"`
}

// Merge merges an adapter into its model and writes a Hugging Face folder, which must not exist, or be empty. dtype is
// the type of the written weights; "" keeps the type of each stored weight. The folder appears only once it is complete
// and has been read back. Its logits are then compared with those of the base with the adapter, on fixed random tokens
// and, if the model has a tokenizer, on a sentence.
func Merge(ctx context.Context, modelName, adapterDir, output string, dtype checkpoint.DType) (*MergeReport, error) {
	r, err := merge(ctx, modelName, adapterDir, output, dtype)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	return r, nil
}

func merge(ctx context.Context, modelName, adapterDir, output string, dtype checkpoint.DType) (*MergeReport, error) {
	if err := folder.MustBeNew(output); err != nil {
		return nil, err
	}
	s, err := infer.Open(ctx, modelName, adapterDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	probes, err := s.Probes()
	if err != nil {
		return nil, err
	}
	before, err := infer.Logits(ctx, s.Model, s.Adapter, probes)
	if err != nil {
		return nil, err
	}
	r := &MergeReport{Output: output, Notes: s.Model.Warnings}
	return r, folder.New(output, func(tmp string) error {
		if err := s.Model.Save(ctx, tmp, s.Adapter, dtype); err != nil {
			return err
		}
		if err := s.Setup.Write(tmp); err != nil {
			return err
		}
		if err := s.WriteTokenizer(tmp); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyRecord(adapterDir, tmp); err != nil {
			return err
		}
		return r.compare(ctx, tmp, s.Setup.Numerics, probes, before)
	})
}

// copyRecord copies what the adapter's run says of itself, if it does. With it the merged model gets a card.
func copyRecord(adapterDir, dir string) error {
	record, err := input.ReadFile(filepath.Join(adapterDir, "run.json"))
	if adapterDir == "" || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return folder.WriteFile(filepath.Join(dir, "run.json"), record)
}

// compare loads the merged folder and compares its logits.
func (r *MergeReport) compare(ctx context.Context, dir, numerics string, probes []*model.Batch, before [][]float32) error {
	m, err := model.Load(ctx, dir, model.Options{Numerics: numerics})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	after, err := infer.Logits(ctx, m, "", probes)
	if err != nil {
		return err
	}
	r.Bytes = m.WeightBytes()
	r.LogitChange = infer.CompareLogits(before, after)
	if !numeric.IsFinite(r.Largest) || !numeric.IsFinite(r.Scale) {
		return errors.New("the merged model's logits are not finite")
	}
	return nil
}
