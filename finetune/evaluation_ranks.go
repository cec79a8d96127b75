package finetune

import (
	"context"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// lossOnRanks is infer.Session.Loss, of whose batches each rank computes every Size-th.
func lossOnRanks(ctx context.Context, ranks Ranks, s *infer.Session, rows []tasks.Features, tokens int) (float64, error) {
	sums, err := s.LossSums(ctx, rows, tokens, func(batch int) bool { return batch%ranks.Size() == ranks.Rank() })
	var mine report
	for _, l := range sums {
		mine.Losses = append(mine.Losses, l.Sum, l.Weight)
	}
	all, err := exchange(ranks, mine, err)
	if err != nil {
		return 0, err
	}
	for i := range sums {
		of := all[i%ranks.Size()].Losses[2*i:]
		sums[i] = infer.LossSum{Sum: of[0], Weight: of[1]}
	}
	return infer.MeanLoss(sums)
}

// score lets the model answer the held-out examples and computes the task's metrics.
func (r *run) score(ctx context.Context) ([]tasks.Metric, error) {
	t, limit := evaluate.NamedTask{Task: r.task}, r.config.Eval.Examples
	if r.options.Ranks != nil {
		metrics, _, err := evaluate.ScoreOn(ctx, answerRanks{r.options.Ranks}, r.session, t, tasks.Eval, limit)
		return metrics, err
	}
	metrics, _, err := evaluate.Score(ctx, r.session, t, tasks.Eval, limit, nil)
	return metrics, err
}

// answerRanks are ranks as package evaluate wants them.
type answerRanks struct{ Ranks }

var _ evaluate.Ranks = answerRanks{}

func (r answerRanks) Gather(send []byte, err error) ([][]byte, error) {
	if _, err := exchange(r.Ranks, report{}, err); err != nil {
		return nil, err
	}
	return gather(r.Ranks, send)
}
