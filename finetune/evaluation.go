package finetune

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/tasks"
)

// evaluate takes the held-out loss and, where asked for, scores answers; it keeps the best weights and ends the run when
// they have not got better for long enough.
func (r *run) evaluate(ctx context.Context) error {
	if len(r.evalRows) == 0 {
		return nil
	}
	e, err := r.runEvaluation(ctx)
	if errors.Is(err, context.Canceled) {
		r.state.EvalPending = true
		return nil // the loop sees the cancellation and saves
	}
	if err != nil {
		return err
	}
	r.state.EvalPending = false
	r.result.Evaluations = append(r.result.Evaluations, e)
	event := r.o.Log.Info().Int("step", e.Step).Float64("eval_loss", e.Loss)
	if e.Score != nil {
		event = event.Float64("eval_score", *e.Score)
	}
	event.Msg("eval")
	if err := r.record(e); err != nil {
		return err
	}
	return r.trackBest(e)
}

// runEvaluation takes what an evaluation takes.
func (r *run) runEvaluation(ctx context.Context) (e Evaluation, err error) {
	e.Step = r.state.Step
	if e.Loss, err = r.t.EvalLoss(ctx, r.evalRows); err != nil {
		return e, err
	}
	if r.c.Eval.Examples == 0 && !scoresFromHead(r.c.Task.Name) {
		return e, nil
	}
	metrics, _, err := evaluate.Score(ctx, r.s, evaluate.NamedTask{Task: r.task}, tasks.Eval, r.c.Eval.Examples, nil)
	if err != nil {
		return e, err
	}
	e.Score = &metrics[0].Value
	if _, ok := r.task.(tasks.Metrics); ok {
		e.Metrics = evaluate.ByName(metrics)
	}
	return e, nil
}

// trackBest keeps the best weights and counts evaluations that were no better.
func (r *run) trackBest(e Evaluation) error {
	value := -e.Loss
	if r.c.Train.MetricForBestModel == "score" {
		value = *e.Score
	}
	if r.state.BestMetric != nil && value <= *r.state.BestMetric {
		r.state.BadEvals++
		if p := r.c.Train.EarlyStoppingPatience; p > 0 && r.state.BadEvals >= p {
			r.result.Reason = fmt.Sprintf("stopped early: no better %s since step %d", r.c.Train.MetricForBestModel, r.state.BestStep)
		}
		return nil
	}
	r.state.BestMetric, r.state.BestStep, r.state.BadEvals = &value, e.Step, 0
	if e.Step == 0 {
		return nil
	}
	return folder.Replace(filepath.Join(r.c.Save.OutputDir, "best"), r.saveWeights)
}

// Evaluation is one look at the held-out data.
type Evaluation struct {
	Step  int      `json:"step"`
	Loss  float64  `json:"eval_loss"`
	Score *float64 `json:"eval_score,omitempty"`
	// Metrics are the task's figures over all answers, Score among them.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
}
