package infer

import (
	"context"
	"errors"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// Loss returns the mean loss over everything that is scored in rows. A pass has at most the given number of tokens, or
// is a single longer row.
func (s *Session) Loss(ctx context.Context, rows []tasks.Features, tokens int) (float64, error) {
	sums, err := s.LossSums(ctx, rows, tokens, func(int) bool { return true })
	if err != nil {
		return 0, err
	}
	return MeanLoss(sums)
}

// LossSum is the sum of some losses, and what these count for in a mean.
type LossSum struct{ Sum, Weight float64 }

// LossSums returns the losses of the batches that Loss cuts rows into, of those alone that wanted names by their index. The others
// are zero: another process may compute them.
func (s *Session) LossSums(ctx context.Context, rows []tasks.Features, tokens int, wanted func(batch int) bool) ([]LossSum, error) {
	batches := evalBatches(s.Model, rows, tokens)
	sums := make([]LossSum, len(batches))
	for i, batch := range batches {
		if !wanted(i) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := op.Inference(s.Adapter, func(p *op.Pass) error {
			p.BF16 = s.BF16
			loss, err := s.Model.Loss(p, Batch(s.Model, batch))
			if err != nil {
				return err
			}
			m := op.Matrix(loss)
			for _, v := range m.Data {
				sums[i].Sum += float64(v)
			}
			sums[i].Weight = lossWeight(batch, m.Rows)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// MeanLoss returns the mean of losses whose sums are given. If nothing is scored, it is an error.
func MeanLoss(sums []LossSum) (float64, error) {
	all := LossSum{}
	for _, s := range sums {
		all.Sum, all.Weight = all.Sum+s.Sum, all.Weight+s.Weight
	}
	if all.Weight == 0 {
		return 0, errors.New("none of the held-out rows has a scored token")
	}
	return all.Sum / all.Weight, nil
}

// lossWeight is what rows count for in a mean of losses, where that many of their labels are scored.
func lossWeight(rows []tasks.Features, scored int) float64 {
	if rows[0].Weights == nil {
		return float64(scored)
	}
	sum := 0.0
	for _, r := range rows {
		sum += r.LossWeight(0)
	}
	return sum
}

// Outputs returns the outputs of the head for each row, computed in one pass: one vector per token, a single one for
// sequence classification, one per choice for multiple choice, or one per text for sentence embeddings.
func (s *Session) Outputs(ctx context.Context, rows []tasks.Features) (out [][][]float32, err error) {
	unlabelled := make([]tasks.Features, len(rows))
	for i, row := range rows {
		unlabelled[i] = tasks.Features{IDs: row.IDs, TokenTypeIDs: row.TokenTypeIDs, PairStart: row.PairStart, DocumentStarts: row.DocumentStarts}
	}
	all, err := Logits(ctx, s.Model, s.Adapter, []*model.Batch{Batch(s.Model, unlabelled)})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		n := len(row.IDs)
		switch s.Model.Head().Kind {
		case head.SequenceClassification:
			n = 1
		case head.MultipleChoice:
			n = 1 + len(row.DocumentStarts)
		case head.FeatureExtraction:
			n = 1
			if row.PairStart > 0 {
				n = 2
			}
		}
		out, all = append(out, all[:n:n]), all[n:]
	}
	return out, nil
}
