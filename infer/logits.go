package infer

import (
	"context"
	"slices"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Logits returns the rows of the head's outputs for some batches, as copies. It checks ctx before every batch.
func Logits(ctx context.Context, m *model.Model, adapterName string, batches []*model.Batch) ([][]float32, error) {
	var all [][]float32
	for _, b := range batches {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := op.Inference(adapterName, func(p *op.Pass) error {
			y, err := m.Logits(p, b, nil, nil)
			if err != nil {
				return err
			}
			for i := range y.Rows {
				all = append(all, slices.Clone(y.Row(i)))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
