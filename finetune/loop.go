package finetune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
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

// LogSums gathers the steps of the next LogLine.
type LogSums struct {
	Loss     float64 `json:"loss"`
	GradNorm float64 `json:"grad_norm"`
	Tokens   int     `json:"tokens"`
	Steps    int     `json:"steps"`
}

func (l *LogSums) add(s StepStats) {
	l.Loss, l.GradNorm = l.Loss+s.Loss, l.GradNorm+s.GradNorm
	l.Tokens, l.Steps = l.Tokens+s.Tokens, l.Steps+1
}

// train runs the remaining steps, with restarts, evaluations and checkpoints between them, and writes the result.
func (r *run) train(ctx context.Context) error {
	r.began = time.Now()
	r.saved = r.began
	work := r.uncancelled(ctx)
	if r.state.Step == 0 || r.state.EvalPending {
		if r.state.Step == 0 && len(r.evalRows) > 0 {
			r.options.Log.Info().Int("rows", len(r.evalRows)).Msg("evaluating the model before its first step")
		}
		if err := r.evaluate(work); err != nil {
			return err
		}
	}
	for r.state.Step < r.totalSteps && r.result.Reason == "" {
		switch stop, err := r.stops(ctx); {
		case err != nil:
			return err
		case stop == stopInterrupted:
			return r.interrupt()
		case stop == stopTimeUp:
			return r.timeUp()
		}
		err := r.restartAndStep(work)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return r.interrupt() // nothing has changed since the last whole step
		}
		if err != nil {
			return err
		}
		last := r.state.Step == r.totalSteps
		if r.due(r.config.Eval.Steps) || last {
			if err := r.evaluate(work); err != nil {
				return err
			}
		}
		if !last && r.result.Reason == "" {
			if err := r.checkpointIfDue(); err != nil {
				return err
			}
		}
	}
	if r.state.EvalPending {
		return r.interrupt() // the last evaluation was cancelled
	}
	if err := r.logSteps(); err != nil {
		return err
	}
	return r.end()
}

// logSteps logs the steps since the last line, if there are any.
func (r *run) logSteps() error {
	books := &r.state.Books
	if books.Line.Steps == 0 {
		return nil
	}
	defer func() { books.Line, r.clock.Line = LogSums{}, 0 }()
	return r.log(books.Line, r.lrAt(r.state.Step-1))
}

// checkpointIfDue writes a checkpoint every save_steps, and where the last one is save_minutes old.
func (r *run) checkpointIfDue() error {
	due, err := r.due(r.config.Save.Steps), error(nil)
	if !due {
		due, err = r.minutesDue()
	}
	if !due || err != nil {
		return err
	}
	return r.checkpoint()
}

// minutesDue reports whether the last checkpoint is save_minutes old, by the clock of rank 0.
func (r *run) minutesDue() (bool, error) {
	every := r.config.Save.Minutes
	if every <= 0 {
		return false, nil
	}
	return infer.FromFirst(r.options.Ranks, time.Since(r.saved).Minutes() >= every, nil)
}

// end writes the result before all else, so that it is there if the disk has no room for another checkpoint.
func (r *run) end() error {
	r.result.Steps, r.result.Tokens, r.result.Seconds = r.state.Step, r.state.Books.Tokens, r.wall()
	if r.options.Ranks != nil && r.clock.Steps > 0 {
		_, _ = fmt.Fprintf(r.options.Out, "ranks: %.1f %% of the steps' time went into adding gradients\n", 100*r.trainer.summing.Seconds()/r.clock.Steps)
	}
	if err := r.finish(); err != nil {
		return err
	}
	if r.bestDue {
		if err := r.saveBest(); err != nil {
			return fmt.Errorf("the result is saved in %s; its copy, as the best evaluation's, is not: %w", r.config.Save.OutputDir, err)
		}
	}
	if err := r.checkpoint(); err != nil {
		return fmt.Errorf("the result is saved in %s; its last checkpoint is not: %w", r.config.Save.OutputDir, err)
	}
	if r.unrecorded != nil {
		return fmt.Errorf("the result is saved in %s; metrics.jsonl lacks lines: %w", r.config.Save.OutputDir, r.unrecorded)
	}
	if r.result.PeakBytes = process.PeakMemory(); r.result.PeakBytes > 0 {
		_, _ = fmt.Fprintf(r.options.Out, "memory: %d MiB at the peak, about %d expected\n", wording.MiB(r.result.PeakBytes), wording.MiB(r.result.Memory.Total()))
	}
	return nil
}

// wall is the time of the run so far, in seconds, with that of the sessions before.
func (r *run) wall() float64 { return r.clock.Wall + time.Since(r.began).Seconds() }

// restartAndStep restarts the adapter if that is due, runs the next step and reports it.
func (r *run) restartAndStep(ctx context.Context) error {
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
	seconds, books := time.Since(began).Seconds(), &r.state.Books
	r.clock.Steps += seconds
	r.clock.Line += seconds
	books.Tokens += stats.Tokens
	books.Line.add(stats)
	r.result.Tokens = books.Tokens
	r.progress(stats, lr)
	if r.state.Step%r.config.Save.LoggingSteps != 0 && r.state.Step != r.totalSteps {
		return nil
	}
	return r.logSteps()
}

// step runs the next optimizer step. The first one of the run must give every layer a gradient.
func (r *run) step(ctx context.Context) (stats StepStats, lr float64, err error) {
	n := r.state.Step
	rows, err := r.batches.batch(ctx, n)
	if err != nil {
		return stats, lr, fmt.Errorf("%w%s", err, r.lastGood())
	}
	for position := range rows {
		rows[position] = r.collate(rows[position], n, position)
	}
	lr = r.lrAt(n)
	var check func([]model.Param, []float64) error
	if n == 0 {
		check = func(params []model.Param, squares []float64) error {
			return checkGradients(r.model.Head(), params, squares)
		}
	}
	stats, err = r.trainer.step(ctx, rows, n, lr, check)
	if err != nil {
		return stats, lr, fmt.Errorf("%w%s", err, r.lastGood())
	}
	r.state.Rows = r.batches.digest()
	r.state.Step++
	r.result.Steps = r.state.Step
	return stats, lr, nil
}

// log writes the means of some steps to metrics.jsonl and to the log.
func (r *run) log(sums LogSums, lr float64) error {
	step, n := r.state.Step, float64(sums.Steps)
	line := LogLine{Step: step, Epoch: float64(step) / float64(r.stepsPerEpoch), Loss: sums.Loss / n, LearningRate: lr,
		GradNorm: sums.GradNorm / n, Tokens: sums.Tokens, TokensPerSecond: float64(sums.Tokens) / r.clock.Line}
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
	p := Progress{Step: r.state.Step, Steps: r.totalSteps, Loss: s.Loss, LearningRate: lr, TokensPerSecond: float64(r.state.Books.Tokens) / r.clock.Steps}
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

// timeUp saves a checkpoint of a run whose time is up and returns ErrTimeUp.
func (r *run) timeUp() error {
	if r.state.Step == 0 {
		return fmt.Errorf("%w before the first step; nothing was saved", ErrTimeUp)
	}
	if err := r.checkpoint(); err != nil {
		return err
	}
	return fmt.Errorf("%w after step %d of %d; continue with --resume", ErrTimeUp, r.state.Step, r.totalSteps)
}

// withRoom saves something in the run's folder. On a full disk older checkpoints give way, but for the last, and then the weights of an
// earlier best evaluation, if they are not to be the result.
func (r *run) withRoom(save func() error) error {
	if err := r.keepFolder(); err != nil {
		return err
	}
	err := save()
	for errors.Is(err, syscall.ENOSPC) {
		oldest := r.givesWay()
		if oldest == "" {
			break
		}
		r.options.Log.Warn().Str("folder", oldest).Msg("the disk is full; older weights are removed")
		if err := os.RemoveAll(oldest); err != nil {
			return err
		}
		err = save()
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, r.lastGood())
	}
	return nil
}

// givesWay is the folder that a full disk needs least, "" if all are needed.
func (r *run) givesWay() string {
	dir := r.config.Save.OutputDir
	if steps, err := checkpointSteps(dir); err == nil && len(steps) > 1 {
		return checkpointDir(dir, steps[0])
	}
	best := filepath.Join(dir, bestDir)
	if _, err := os.Stat(best); err == nil && (r.bestDue || !r.config.Train.LoadBestModelAtEnd && r.state.Step == r.totalSteps) {
		return best
	}
	return ""
}

// checkpoint writes the checkpoint of this step, unless it is there already, and removes the oldest ones.
func (r *run) checkpoint() error {
	output := r.config.Save.OutputDir
	dir, there := checkpointDir(output, r.state.Step), false
	if r.leads() {
		s, err := readState(dir)
		there = err == nil && s.Digest == r.state.Digest && s.Seed == r.state.Seed && s.EvalPending == r.state.EvalPending
	}
	parts, err := r.shareOptimizer(there)
	if !r.leads() || there || err != nil {
		return err
	}
	defer func() {
		for _, part := range parts {
			_ = os.Remove(part)
		}
	}()
	c := r.clock
	c.Wall = r.wall()
	err = r.withRoom(func() error { return saveCheckpoint(dir, r.state, c, r.trainer.Optimizer, parts, r.saveState) })
	if err != nil {
		return err
	}
	r.saved = time.Now()
	r.options.Log.Info().Str("checkpoint", dir).Msg("saved")
	return pruneCheckpoints(output, r.config.Save.TotalLimit, r.state.Step)
}

// shareOptimizer lets every rank but the first write its part of the optimizer's state into the run's folder, and returns the files; there
// says that rank 0 has the checkpoint already.
func (r *run) shareOptimizer(there bool) (parts []string, err error) {
	if !r.trainer.shards.split() {
		return nil, nil
	}
	if there, err = infer.FromFirst(r.options.Ranks, there, nil); there || err != nil {
		return nil, err
	}
	for rank := 1; rank < r.options.Ranks.Size(); rank++ {
		parts = append(parts, filepath.Join(r.config.Save.OutputDir, fmt.Sprintf(".spagotune-optimizer-%d-%d.tmp", r.state.Step, rank)))
	}
	if !r.leads() {
		err = r.trainer.Optimizer.Save(parts[r.options.Ranks.Rank()-1])
	}
	if err = r.together(err); err != nil {
		err = fmt.Errorf("the optimizer's state, which all ranks write into %s: %w%s", r.config.Save.OutputDir, err, r.lastGood())
	}
	return parts, err
}

// finish writes the result into the output folder itself: the last weights, or the best ones.
func (r *run) finish() error {
	if r.result.Reason == "" {
		r.result.Reason = fmt.Sprintf("all %d steps done", r.totalSteps)
	}
	if !r.leads() {
		return nil
	}
	from := ""
	if r.config.Train.LoadBestModelAtEnd && r.state.BestMetric != nil && r.state.BestStep != r.state.Step {
		from = filepath.Join(r.config.Save.OutputDir, bestDir)
		r.result.Reason += fmt.Sprintf("; the result is the best evaluation's, of step %d", r.state.BestStep)
		if r.state.BestStep == 0 {
			r.options.Log.Warn().Str("metric", r.config.Train.MetricForBestModel).Msg("no evaluation was better than the one before training: the result is the untouched start")
		}
	}
	return r.withRoom(func() error {
		return folder.Fill(r.config.Save.OutputDir, func(tmp string) error { return r.saveResult(tmp, from) })
	})
}

// saveResult writes the result into a folder: a copy of another one, or this run's weights where from is "".
func (r *run) saveResult(dir, from string) error {
	var err error
	if from != "" {
		if err = os.CopyFS(dir, os.DirFS(from)); err == nil {
			if err = os.Remove(filepath.Join(dir, bestStepFile)); errors.Is(err, os.ErrNotExist) { // of an earlier version
				err = nil
			}
		}
	} else {
		err = r.saveWeights(dir)
	}
	if err == nil && r.config.randomBase() {
		err = r.saveRandomBase(filepath.Join(dir, randomBaseDir))
	}
	if err != nil {
		return err
	}
	return r.writeRecord(dir)
}
