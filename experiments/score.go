package experiments

import (
	"context"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// scoreRun asks a finished run the row's benchmarks, and counts its singular values where the table is about them.
func (t *table) scoreRun(ctx context.Context, s job, c finetune.Recipe, e *Record) error {
	if t.kind.ranks {
		var err error
		if e.SingularValues, err = singularValues(ctx, c); err != nil {
			return err
		}
	}
	if len(c.EvalTasks) == 0 {
		return nil
	}
	run := evaluate.Run{Model: c.Config.Model.Path, Adapter: c.Config.Save.OutputDir}
	if c.Config.WholeModel() {
		run = evaluate.Run{Model: c.Config.Save.OutputDir}
	}
	l, err := infer.Open(ctx, run.Model, run.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if run.Model, err = infer.ModelDir(run.Model); err != nil {
		return err
	}
	e.EvalTasks = map[string]float64{}
	for _, b := range c.EvalTasks {
		e.EvalTasks[b.Name], err = scoreTask(ctx, l, b, run, t.answersFile(s, b))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w; go on with --resume", finetune.ErrInterrupted)
		case err != nil:
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	return nil
}

// answersFile keeps a run's answers to a benchmark.
func (t *table) answersFile(s job, b finetune.EvalTask) string {
	return t.recordFile(s) + "." + strings.ReplaceAll(b.Name, " ", "-") + ".jsonl"
}

// scoreTask answers the eval task's examples, keeps the answers in a file, and returns the figure.
func scoreTask(ctx context.Context, l *infer.Session, b finetune.EvalTask, run evaluate.Run, path string) (float64, error) {
	task, err := tasks.New(b.Task, b.Options)
	if err != nil {
		return 0, err
	}
	run.Tasks, run.Limit = []evaluate.NamedTask{{Name: b.Task, Task: task}}, b.Limit
	file, err := evaluate.OpenPredictionLog(path, run)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	r, err := evaluate.All(ctx, l, run.Tasks, evaluate.Options{Limit: b.Limit, Log: file})
	if err != nil {
		return 0, err
	}
	if b.Metric != "" {
		v, ok := r[0].Metrics[b.Metric]
		if !ok {
			return 0, fmt.Errorf("task %s has no metric %s%s", b.Task, b.Metric, suggest.Hint(b.Metric, r[0].Names))
		}
		return v, nil
	}
	if r[0].Score == nil {
		return 0, fmt.Errorf("task %s has no score", b.Task)
	}
	return *r[0].Score, nil
}

// singularValues counts, for each kind of layer, how many singular values of the run's ΔW are above SingularValueThreshold: the mean
// over the layers. ΔW is what the adapter makes of the base, or the whole model's difference from it.
func singularValues(ctx context.Context, c finetune.Recipe) (map[string]float64, error) {
	_, open, err := c.Config.Source(ctx)
	if err != nil {
		return nil, err
	}
	base, err := open(model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	ranks, err := spectra(ctx, c, base)
	if err != nil {
		return nil, err
	}
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, r := range ranks {
		name := r.Path[strings.LastIndexByte(r.Path, '.')+1:]
		sums[name] += float64(r.Rank)
		counts[name]++
	}
	for name := range sums {
		sums[name] /= counts[name]
	}
	return sums, nil
}

func spectra(ctx context.Context, c finetune.Recipe, base *model.Model) ([]adapter.Spectrum, error) {
	if !c.Config.WholeModel() {
		a, err := adapter.Load(ctx, base, c.Config.Save.OutputDir, infer.AdapterName)
		if err != nil {
			return nil, err
		}
		return a.Spectra(ctx, inspect.SingularValueThreshold)
	}
	after, err := model.Load(ctx, c.Config.Save.OutputDir, model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = after.Close() }()
	return adapter.DiffSpectra(ctx, base, after, inspect.SingularValueThreshold)
}
