package infer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// Loss returns the mean loss over everything that is scored in rows. A pass has at most the given number of tokens, or
// is a single longer row. The session's ranks share the passes; the mean is that of one process, to the bit.
func (s *Session) Loss(ctx context.Context, rows []tasks.Features, tokens int) (float64, error) {
	if s.Ranks != nil {
		if err := SameOn(s.Ranks, [][2]string{{"rows", rowsDigest(rows)}}); err != nil {
			return 0, err
		}
	}
	batches := evalBatches(s.Model, rows, tokens)
	all := lossSum{}
	err := Share(s.Ranks, len(batches), func(i int) ([2]uint64, error) {
		l, err := s.lossSum(ctx, batches[i])
		return [2]uint64{math.Float64bits(l.sum), math.Float64bits(l.weight)}, err // a loss may be infinite, which JSON has no number for
	}, func(_ int, l [2]uint64) error {
		all.sum, all.weight = all.sum+math.Float64frombits(l[0]), all.weight+math.Float64frombits(l[1])
		return nil
	})
	if err != nil {
		return 0, err
	}
	if all.weight == 0 {
		return 0, errors.New("none of the held-out rows has a scored token")
	}
	return all.sum / all.weight, nil
}

// rowsDigest identifies rows.
func rowsDigest(rows []tasks.Features) string {
	h := sha256.New()
	for _, r := range rows {
		_ = binary.Write(h, binary.LittleEndian, int64(len(r.IDs)))
		_ = binary.Write(h, binary.LittleEndian, r.IDs)
		_ = binary.Write(h, binary.LittleEndian, r.Labels)
		_ = binary.Write(h, binary.LittleEndian, r.FloatLabels)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// lossSum is the sum of some losses, and what these count for in a mean.
type lossSum struct{ sum, weight float64 }

// lossSum computes the losses of a batch in one pass.
func (s *Session) lossSum(ctx context.Context, batch []tasks.Features) (l lossSum, err error) {
	if err := ctx.Err(); err != nil {
		return l, err
	}
	err = op.Inference(s.Adapter, func(p *op.Pass) error {
		p.BF16 = s.BF16
		loss, err := s.Model.Loss(p, Batch(s.Model, batch))
		if err != nil {
			return err
		}
		m := op.Matrix(loss)
		for _, v := range m.Data {
			l.sum += float64(v)
		}
		l.weight = lossWeight(batch, m.Rows)
		return nil
	})
	return l, err
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
		unlabelled[i] = tasks.Features{IDs: row.IDs, TokenTypeIDs: row.TokenTypeIDs, PairStart: row.PairStart, DocumentStarts: row.DocumentStarts,
			PromptLength: row.PromptLength, PairPromptLength: row.PairPromptLength}
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
