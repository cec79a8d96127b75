package finetune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/tasks"
)

// evaluate computes the held-out loss and, if asked for, the score of the answers. It keeps the best weights and ends
// the run once the metric has not improved for long enough.
func (r *run) evaluate(ctx context.Context) error {
	if len(r.evalRows) == 0 {
		return nil
	}
	e, err := r.runEvaluation(ctx)
	if errors.Is(err, context.Canceled) {
		r.state.EvalPending = true
		return nil // train sees the cancellation and saves a checkpoint
	}
	if err != nil {
		return err
	}
	r.state.EvalPending = false
	e.DataChanged, r.evalChanged = r.evalChanged, false
	r.result.Evaluations = append(r.result.Evaluations, e)
	event := r.options.Log.Info().Int("step", e.Step).Float64("eval_loss", e.Loss)
	if e.Score != nil {
		event = event.Float64("eval_score", *e.Score)
	}
	event.Msg("eval")
	if err := r.record(e); err != nil {
		return err
	}
	if err := r.trackBest(e); err != nil {
		return err
	}
	r.state.LastScore = e.Score
	r.stopEarly()
	if r.options.Evaluated != nil && e.Step > 0 && e.Step < r.totalSteps {
		if why := r.options.Evaluated(e); why != "" {
			r.result.Reason = "stopped early: " + why
		}
	}
	return nil
}

// runEvaluation computes the loss and the score.
func (r *run) runEvaluation(ctx context.Context) (e Evaluation, err error) {
	e.Step = r.state.Step
	if e.Loss, err = r.trainer.EvalLoss(ctx, r.evalRows); err != nil {
		return e, err
	}
	if math.IsNaN(e.Loss) || math.IsInf(e.Loss, 0) {
		if e.Step == 0 {
			return e, fmt.Errorf("the held-out loss before training is %v: the model computes values that are not finite", e.Loss)
		}
		return e, fmt.Errorf("step %d: %w: the held-out loss is %v", e.Step, ErrDiverged, e.Loss)
	}
	if r.config.Eval.Examples == 0 && !scoresFromHead(r.config.Task.Name) {
		return e, nil
	}
	metrics, _, err := evaluate.Score(ctx, r.session, evaluate.NamedTask{Task: r.task}, tasks.Eval, r.config.Eval.Examples, nil)
	if err != nil {
		return e, err
	}
	if e.Score = &metrics[0].Value; math.IsNaN(*e.Score) {
		e.Score = nil
		r.options.Log.Warn().Int("step", e.Step).Msgf("%s is not defined: all answers, or all references, are equal", metrics[0].Name)
	}
	if _, ok := r.task.(tasks.Metrics); ok {
		e.Metrics = evaluate.ByName(metrics)
	}
	return e, nil
}

// trackBest saves the weights if they are the best so far, and otherwise counts evaluations without improvement.
func (r *run) trackBest(e Evaluation) error {
	byScore, value := r.config.Train.MetricForBestModel == "score", -e.Loss
	if byScore && e.Score != nil {
		value = *e.Score
	}
	if byScore && e.Score == nil || r.state.BestMetric != nil && value <= *r.state.BestMetric {
		r.state.BadEvals++
		return nil
	}
	r.state.BestMetric, r.state.BestStep, r.state.BadEvals = &value, e.Step, 0
	if e.Step == 0 && !r.config.Train.LoadBestModelAtEnd || !r.leads() {
		return nil // the start is no result
	}
	if r.bestDue = e.Step == r.totalSteps || e.Step > 0 && r.enough(e.Score); r.bestDue {
		return nil // the result comes first
	}
	return r.saveBest()
}

// saveBest writes the weights as the best so far.
func (r *run) saveBest() error {
	r.bestDue = false
	return r.withRoom(func() error {
		return folder.Replace(filepath.Join(r.config.Save.OutputDir, bestDir), func(tmp string) error {
			if err := r.saveWeights(tmp); err != nil {
				return err
			}
			return folder.WriteJSON(filepath.Join(tmp, bestStepFile), bestStep{r.state.BestStep})
		})
	})
}

// bestDir is the folder of the best evaluation's weights, and bestStepFile what it has beside them.
const (
	bestDir      = "best"
	bestStepFile = "best_step.json"
)

// bestStep is the content of best_step.json.
type bestStep struct {
	Step int `json:"step"`
}

// checkBest starts the best score again where the weights of the best evaluation are to be the result, and best does not hold them: the
// run had no such aim before, or was killed between best and its checkpoint.
func (r *run) checkBest() {
	if !r.config.Train.LoadBestModelAtEnd || r.state.BestMetric == nil {
		return
	}
	best, then := filepath.Join(r.config.Save.OutputDir, bestDir), bestStep{r.state.BestStep}
	if _, err := os.Stat(best); err == nil {
		raw, err := input.ReadFile(filepath.Join(best, bestStepFile))
		if errors.Is(err, os.ErrNotExist) { // of an earlier version
			return
		}
		if err == nil && json.Unmarshal(raw, &then) == nil && then.Step == r.state.BestStep {
			return
		}
	}
	r.options.Log.Warn().Int("step", r.state.BestStep).Msgf("%s does not hold the weights of the best evaluation so far: the best is looked for from step %d on", best, r.state.Step)
	r.state.BestMetric, r.state.BestStep, r.state.BadEvals = nil, 0, 0
	r.state.EvalPending = len(r.evalRows) > 0
}

// Evaluation holds the results on the held-out data after a step, a line of metrics.jsonl.
type Evaluation struct {
	Step  int      `json:"step"`
	Loss  float64  `json:"eval_loss"`
	Score *float64 `json:"eval_score,omitempty"`
	// Metrics are the task's metrics over all answers, by name; Score is one of them.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
	// DataChanged says that the run was resumed here with other evaluation data, or another score: evaluations before this one
	// cannot be compared with those from it on.
	DataChanged bool `json:"eval_data_changed,omitempty"`
}
