package finetune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// LogLine is a line of metrics.jsonl: the mean since the line before.
type LogLine struct {
	Step            int     `json:"step"`
	Epoch           float64 `json:"epoch"`
	Loss            float64 `json:"loss"`
	LearningRate    float64 `json:"learning_rate"`
	GradNorm        float64 `json:"grad_norm"`
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// train is the loop.
func (r *run) train(ctx context.Context) error {
	began := time.Now()
	if r.state.Step == 0 || r.state.EvalPending {
		if err := r.evaluate(ctx); err != nil {
			return err
		}
	}
	var sum LogLine
	seconds, count := 0.0, 0
	for r.state.Step < r.total && r.result.Reason == "" {
		if ctx.Err() != nil {
			return r.interrupt()
		}
		if r.restartDue() {
			if err := r.restart(ctx); err != nil && errors.Is(err, ctx.Err()) {
				return r.interrupt() // nothing has changed
			} else if err != nil {
				return err
			}
		}
		since := time.Now()
		step, s, rate, err := r.step(ctx)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return r.interrupt()
		}
		if err != nil {
			return err
		}
		count++
		spent := time.Since(since).Seconds()
		seconds, r.busy = seconds+spent, r.busy+spent
		sum.Loss, sum.GradNorm, sum.Tokens = sum.Loss+s.Loss, sum.GradNorm+s.GradNorm, sum.Tokens+s.Tokens
		r.result.Tokens += s.Tokens
		r.progress(s, rate)
		if step%r.c.Save.LoggingSteps == 0 || step == r.total {
			sum = LogLine{step, float64(step) / float64(r.perEpoch), sum.Loss / float64(count), rate, sum.GradNorm / float64(count), sum.Tokens, float64(sum.Tokens) / seconds}
			if err := r.record(sum); err != nil {
				return err
			}
			r.o.Log.Info().Int("step", step).Float64("loss", sum.Loss).Float64("learning_rate", rate).
				Float64("grad_norm", sum.GradNorm).Float64("tokens_per_second", sum.TokensPerSecond).Msg("train")
			sum, count, seconds = LogLine{}, 0, 0
		}
		if r.due(r.c.Eval.Steps) || step == r.total {
			if err := r.evaluate(ctx); err != nil {
				return err
			}
		}
		if r.due(r.c.Save.Steps) || step == r.total || r.result.Reason != "" {
			if err := r.checkpoint(); err != nil {
				return err
			}
		}
	}
	if r.state.EvalPending {
		return r.interrupt() // in the last evaluation
	}
	r.result.Steps, r.result.Seconds = r.state.Step, time.Since(began).Seconds()
	if r.result.PeakBytes = process.PeakMemory(); r.result.PeakBytes > 0 {
		_, _ = fmt.Fprintf(r.o.Out, "memory: %d MiB at the peak, about %d expected\n", wording.MiB(r.result.PeakBytes), wording.MiB(r.result.Memory.Total()))
	}
	return r.finish()
}

// step runs the next step and its checks.
func (r *run) step(ctx context.Context) (step int, s StepStats, rate float64, err error) {
	n := r.state.Step
	var rows []tasks.Features
	for at, i := range batchIndices(r.c.Train.Seed, len(r.rows), r.c.Train.batch(), r.perEpoch, n) {
		rows = append(rows, r.draw(r.rows[i], n, at))
	}
	rate = r.rate(n)
	var check func([]model.Param) error
	if n == 0 {
		check = checkGradients
	}
	s, err = r.t.step(ctx, rows, n, rate, check)
	if err != nil {
		return n, s, rate, fmt.Errorf("%w%s", err, r.lastGood())
	}
	r.state.Step++
	r.result.Steps = r.state.Step
	return r.state.Step, s, rate, nil
}

// lastGood says which checkpoint a stopped run can be continued from.
func (r *run) lastGood() string {
	dir, _, _, err := latest(r.c.Save.OutputDir)
	if err != nil || dir == "" {
		return "; no checkpoint had been written"
	}
	return "; the last good checkpoint is " + dir
}

// due says whether something that happens every so many steps happens now.
func (r *run) due(every int) bool { return every > 0 && r.state.Step%every == 0 }

func (r *run) progress(s StepStats, rate float64) {
	if r.o.Progress == nil {
		return
	}
	p := Progress{Step: r.state.Step, Steps: r.total, Loss: s.Loss, Rate: rate, TokensPerSecond: float64(r.result.Tokens) / r.busy}
	rows := float64(s.Tokens) / p.TokensPerSecond
	p.Remaining = time.Duration(rows * float64(r.total-r.state.Step) * float64(time.Second))
	r.o.Progress(p)
}

// interrupt saves where the run is.
func (r *run) interrupt() error {
	if r.state.Step == 0 {
		return fmt.Errorf("%w before the first step; nothing was saved", ErrInterrupted)
	}
	if err := r.checkpoint(); err != nil {
		return err
	}
	return fmt.Errorf("%w after step %d; continue with --resume", ErrInterrupted, r.state.Step)
}

func (r *run) checkpoint() error {
	dir := filepath.Join(r.c.Save.OutputDir, fmt.Sprintf("checkpoint-%d", r.state.Step))
	if _, err := readState(dir); err == nil {
		return nil
	}
	if err := saveCheckpoint(dir, r.state, r.t.AdamW, r.saveState); err != nil {
		return err
	}
	r.o.Log.Info().Str("checkpoint", dir).Msg("saved")
	return prune(r.c.Save.OutputDir, r.c.Save.TotalLimit)
}

// evaluate takes the held-out loss and, where asked for, scores answers; it keeps the best weights and ends the run when
// they have not got better for long enough.
func (r *run) evaluate(ctx context.Context) error {
	if len(r.held) == 0 {
		return nil
	}
	e, err := r.measure(ctx)
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
	return r.judge(e)
}

// measure takes what an evaluation takes.
func (r *run) measure(ctx context.Context) (e Evaluation, err error) {
	e.Step = r.state.Step
	if e.Loss, err = r.t.EvalLoss(ctx, r.held); err != nil {
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

// judge keeps the best weights and counts evaluations that were no better.
func (r *run) judge(e Evaluation) error {
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

// finish leaves the result in the output folder itself.
func (r *run) finish() error {
	if r.result.Reason == "" {
		r.result.Reason = fmt.Sprintf("all %d steps done", r.total)
	}
	from := ""
	if r.c.Train.LoadBestModelAtEnd && r.state.BestStep > 0 && r.state.BestStep != r.state.Step {
		from = filepath.Join(r.c.Save.OutputDir, "best")
	}
	return folder.Fill(r.c.Save.OutputDir, func(tmp string) error {
		if from != "" {
			return os.CopyFS(tmp, os.DirFS(from))
		}
		return r.saveWeights(tmp)
	})
}

// checkGradients refuses a first step that left a layer without a gradient: every parameter must have one, and every
// layer a matrix in which it is not zero (LoRA's A has a zero gradient while B is zero).
func checkGradients(params []model.Param) error {
	alive := map[string]bool{}
	for _, p := range params {
		layer := layerOf(p.Name)
		if !p.HasGrad() {
			return fmt.Errorf("step 1: %s has no gradient: nothing that made the loss depends on it", p.Name)
		}
		for _, v := range op.Grad(p.Param).Data {
			if v != 0 {
				alive[layer] = true
				break
			}
		}
	}
	for _, p := range params {
		if !p.Idle && !alive[layerOf(p.Name)] {
			return fmt.Errorf("step 1: the gradient of %s is zero everywhere: the layer would never learn", p.Name)
		}
	}
	return nil
}

// layerOf is the path of the layer that a parameter belongs to.
func layerOf(name string) string {
	name = strings.TrimSuffix(name, ".weight")
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}
