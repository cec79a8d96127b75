package finetune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// LogLine is a line of metrics.jsonl: means over the steps since the previous line.
type LogLine struct {
	Step         int     `json:"step"`
	Epoch        float64 `json:"epoch"`
	Loss         float64 `json:"loss"`
	LearningRate float64 `json:"learning_rate"`
	GradNorm     float64 `json:"grad_norm"`
	// Tokens is the sum over these steps.
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// StepMessage is the message of the log's lines about steps.
const StepMessage = "train"

// logSums gathers the steps of the next LogLine.
type logSums struct {
	loss, gradNorm, seconds float64
	tokens, steps           int
}

func (l *logSums) add(s StepStats, seconds float64) {
	l.loss, l.gradNorm, l.seconds = l.loss+s.Loss, l.gradNorm+s.GradNorm, l.seconds+seconds
	l.tokens, l.steps = l.tokens+s.Tokens, l.steps+1
}

// train runs the remaining steps, with restarts, evaluations and checkpoints between them.
func (r *run) train(ctx context.Context) error {
	began := time.Now()
	if r.state.Step == 0 || r.state.EvalPending {
		if r.state.Step == 0 && len(r.evalRows) > 0 {
			r.options.Log.Info().Int("rows", len(r.evalRows)).Msg("evaluating the model before its first step")
		}
		if err := r.evaluate(ctx); err != nil {
			return err
		}
	}
	var sums logSums
	for r.state.Step < r.totalSteps && r.result.Reason == "" {
		if ctx.Err() != nil {
			return r.interrupt()
		}
		err := r.restartAndStep(ctx, &sums)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return r.interrupt() // nothing has changed since the last whole step
		}
		if err != nil {
			return err
		}
		last := r.state.Step == r.totalSteps
		if r.due(r.config.Eval.Steps) || last {
			if err := r.evaluate(ctx); err != nil {
				return err
			}
		}
		if r.due(r.config.Save.Steps) || last || r.result.Reason != "" {
			if err := r.checkpoint(); err != nil {
				return err
			}
		}
	}
	if r.state.EvalPending {
		return r.interrupt() // the last evaluation was cancelled
	}
	r.result.Steps, r.result.Seconds = r.state.Step, time.Since(began).Seconds()
	if r.result.PeakBytes = process.PeakMemory(); r.result.PeakBytes > 0 {
		_, _ = fmt.Fprintf(r.options.Out, "memory: %d MiB at the peak, about %d expected\n", wording.MiB(r.result.PeakBytes), wording.MiB(r.result.Memory.Total()))
	}
	return r.finish()
}

// restartAndStep restarts the adapter if that is due, runs the next step and reports it.
func (r *run) restartAndStep(ctx context.Context, sums *logSums) error {
	if r.restartDue() {
		if err := r.restart(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	stats, lr, err := r.step(ctx)
	if err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	r.trainSeconds += seconds
	r.result.Tokens += stats.Tokens
	sums.add(stats, seconds)
	r.progress(stats, lr)
	if r.state.Step%r.config.Save.LoggingSteps != 0 && r.state.Step != r.totalSteps {
		return nil
	}
	defer func() { *sums = logSums{} }()
	return r.log(sums, lr)
}

// step runs the next optimizer step. The first one of the run must give every layer a gradient.
func (r *run) step(ctx context.Context) (stats StepStats, lr float64, err error) {
	n := r.state.Step
	var rows []tasks.Features
	for position, i := range batchIndices(r.config.Train.Seed, len(r.rows), r.config.Train.batchSize(), r.stepsPerEpoch, n) {
		rows = append(rows, r.collate(r.rows[i], n, position))
	}
	lr = r.lrAt(n)
	var check func([]model.Param) error
	if n == 0 {
		check = checkGradients
	}
	stats, err = r.trainer.step(ctx, rows, n, lr, check)
	if err != nil {
		return stats, lr, fmt.Errorf("%w%s", err, r.lastGood())
	}
	r.state.Step++
	r.result.Steps = r.state.Step
	return stats, lr, nil
}

// log writes the means of some steps to metrics.jsonl and to the log.
func (r *run) log(sums *logSums, lr float64) error {
	step, n := r.state.Step, float64(sums.steps)
	line := LogLine{Step: step, Epoch: float64(step) / float64(r.stepsPerEpoch), Loss: sums.loss / n, LearningRate: lr,
		GradNorm: sums.gradNorm / n, Tokens: sums.tokens, TokensPerSecond: float64(sums.tokens) / sums.seconds}
	if err := r.record(line); err != nil {
		return err
	}
	r.options.Log.Info().Int("step", step).Float64("loss", line.Loss).Float64("learning_rate", lr).
		Float64("grad_norm", line.GradNorm).Float64("tokens_per_second", line.TokensPerSecond).Msg(StepMessage)
	return nil
}

// lastGood names the checkpoint that a failed run can be resumed from, as the end of an error message.
func (r *run) lastGood() string {
	dir, _, _, err := latestCheckpoint(r.config.Save.OutputDir)
	if err != nil || dir == "" {
		return "; no checkpoint had been written"
	}
	return "; the last good checkpoint is " + dir
}

// due reports whether something that happens every few steps happens now; every 0 means never.
func (r *run) due(every int) bool { return every > 0 && r.state.Step%every == 0 }

// progress reports a step to the caller.
func (r *run) progress(s StepStats, lr float64) {
	if r.options.Progress == nil {
		return
	}
	p := Progress{Step: r.state.Step, Steps: r.totalSteps, Loss: s.Loss, LearningRate: lr, TokensPerSecond: float64(r.result.Tokens) / r.trainSeconds}
	secondsPerStep := float64(s.Tokens) / p.TokensPerSecond
	p.Remaining = time.Duration(secondsPerStep * float64(r.totalSteps-r.state.Step) * float64(time.Second))
	r.options.Progress(p)
}

// interrupt saves a checkpoint of a cancelled run and returns ErrInterrupted.
func (r *run) interrupt() error {
	if r.state.Step == 0 {
		return fmt.Errorf("%w before the first step; nothing was saved", ErrInterrupted)
	}
	if err := r.checkpoint(); err != nil {
		return err
	}
	return fmt.Errorf("%w after step %d; continue with --resume", ErrInterrupted, r.state.Step)
}

// checkpoint writes the checkpoint of this step, unless it is there already, and removes the oldest ones.
func (r *run) checkpoint() error {
	dir := checkpointDir(r.config.Save.OutputDir, r.state.Step)
	if _, err := readState(dir); err == nil {
		return nil
	}
	if err := saveCheckpoint(dir, r.state, r.trainer.AdamW, r.saveState); err != nil {
		return err
	}
	r.options.Log.Info().Str("checkpoint", dir).Msg("saved")
	return pruneCheckpoints(r.config.Save.OutputDir, r.config.Save.TotalLimit)
}

// finish writes the result into the output folder itself: the last weights, or the best ones.
func (r *run) finish() error {
	if r.result.Reason == "" {
		r.result.Reason = fmt.Sprintf("all %d steps done", r.totalSteps)
	}
	from := ""
	if r.config.Train.LoadBestModelAtEnd && r.state.BestMetric != nil && r.state.BestStep != r.state.Step {
		from = filepath.Join(r.config.Save.OutputDir, "best")
		r.result.Reason += fmt.Sprintf("; the result is the best evaluation's, of step %d", r.state.BestStep)
		if r.state.BestStep == 0 {
			r.options.Log.Warn().Str("metric", r.config.Train.MetricForBestModel).Msg("no evaluation was better than the one before training: the result is the untouched start")
		}
	}
	return folder.Fill(r.config.Save.OutputDir, func(tmp string) error {
		var err error
		if from != "" {
			err = os.CopyFS(tmp, os.DirFS(from))
		} else {
			err = r.saveWeights(tmp)
		}
		if err == nil && r.config.randomBase() {
			if err = os.RemoveAll(filepath.Join(r.config.Save.OutputDir, randomBaseDir)); err == nil { // of an earlier finish
				err = r.saveRandomBase(filepath.Join(tmp, randomBaseDir))
			}
		}
		if err != nil {
			return err
		}
		return r.writeRecord(tmp)
	})
}
