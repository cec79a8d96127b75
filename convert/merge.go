package convert

import (
	"context"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/model"
)

// MergeReport says how far the merged model is from the base with its adapter.
type MergeReport struct {
	Output string `json:"output"`
	// Change is how far the logits are apart, over some tokens.
	infer.Change
	// Bytes is the size of the merged weights.
	Bytes int `json:"weight_bytes"`
}

// Merge folds an adapter into its model and writes a Hugging Face folder, which must not exist or be empty. dtype is the
// type of the weights, or "" for that in which each was stored. The folder appears only when it is whole and has been
// read back: its logits are compared with those of the base with the adapter, on fixed random tokens and, where the
// model has a tokenizer, a sentence.
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
	before, err := infer.Logits(s.Model, s.Adapter, probes)
	if err != nil {
		return nil, err
	}
	r := &MergeReport{Output: output}
	return r, folder.New(output, func(tmp string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.Model.Save(ctx, tmp, s.Adapter, dtype); err != nil {
			return err
		}
		if err := s.Host.Write(tmp); err != nil {
			return err
		}
		if err := s.WriteTokenizer(tmp); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return r.compare(ctx, tmp, s.Host.Numerics, probes, before)
	})
}

// compare reads the merged folder back and compares its logits.
func (r *MergeReport) compare(ctx context.Context, dir, numerics string, probes []*model.Batch, before [][]float32) error {
	m, err := model.Load(ctx, dir, model.Options{Numerics: numerics})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	after, err := infer.Logits(m, "", probes)
	if err != nil {
		return err
	}
	r.Bytes = m.WeightBytes()
	r.Change = infer.Compare(before, after)
	if r.Largest-r.Largest != 0 || r.Scale-r.Scale != 0 {
		return errors.New("the merged model's logits are not finite")
	}
	return nil
}
