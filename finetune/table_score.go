package finetune

import (
	"context"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// score asks a finished run the row's benchmarks, and counts its singular values where the table is about them.
func (t *table) score(ctx context.Context, s job, c Config, e *Record) error {
	if t.kind.ranks {
		var err error
		if e.Singular, err = singularValues(ctx, c); err != nil {
			return err
		}
	}
	if len(c.EvalTasks) == 0 {
		return nil
	}
	run := EvalRun{Model: c.Model, Adapter: c.OutputDir}
	if c.WholeModel() {
		run = EvalRun{Model: c.OutputDir}
	}
	l, err := Open(ctx, run.Model, run.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if run.Model, err = ModelDir(run.Model); err != nil {
		return err
	}
	tok, err := l.Tokenizer()
	if err != nil {
		return err
	}
	e.EvalTasks = map[string]float64{}
	for _, b := range c.EvalTasks {
		e.EvalTasks[b.Name], err = b.ask(ctx, l, tok, run, t.answersFile(s, b))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w; go on with --resume", ErrInterrupted)
		case err != nil:
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	return nil
}

// answersFile keeps a run's answers to a benchmark.
func (t *table) answersFile(s job, b EvalTask) string {
	return t.recordFile(s) + "." + strings.ReplaceAll(b.Name, " ", "-") + ".jsonl"
}

// ask answers the benchmark's examples, keeps the answers in a file, and returns the figure.
func (b EvalTask) ask(ctx context.Context, l *Session, tok *tokenizer.Tokenizer, run EvalRun, path string) (float64, error) {
	task, err := tasks.New(b.Task, b.Options)
	if err != nil {
		return 0, err
	}
	run.Tasks, run.Limit = []NamedTask{{b.Task, task}}, b.Limit
	file, err := OpenPredictionLog(path, run)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	r, err := l.EvaluateAll(ctx, tok, run.Tasks, EvalOptions{Limit: b.Limit, Answers: file})
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

// singularValues counts, for each kind of layer, how many singular values of the run's ΔW are above SingularBound: the mean
// over the layers. ΔW is what the adapter makes of the base, or the whole model's difference from it.
func singularValues(ctx context.Context, c Config) (map[string]float64, error) {
	_, open, err := c.source()
	if err != nil {
		return nil, err
	}
	base, err := open(model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	ranks, err := c.ranks(ctx, base)
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

func (c *Config) ranks(ctx context.Context, base *model.Model) ([]adapter.Spectrum, error) {
	if !c.WholeModel() {
		a, err := adapter.Load(ctx, base, c.OutputDir, AdapterName)
		if err != nil {
			return nil, err
		}
		return a.Spectra(ctx, SingularValueThreshold)
	}
	after, err := model.Load(c.OutputDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = after.Close() }()
	return adapter.DiffSpectra(ctx, base, after, SingularValueThreshold)
}
