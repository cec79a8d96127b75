package finetune

import (
	"context"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// score asks a finished run the row's benchmarks, and counts its singular values where the table is about them.
func (t *table) score(ctx context.Context, c Config, e *Entry) error {
	if t.kind.ranks {
		var err error
		if e.Singular, err = singularValues(c); err != nil {
			return err
		}
	}
	if len(c.Benchmarks) == 0 {
		return nil
	}
	name, dir := c.Model, c.OutputDir
	if c.WholeModel() {
		name, dir = c.OutputDir, ""
	}
	l, err := Open(name, dir)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	tok, err := l.Tokenizer()
	if err != nil {
		return err
	}
	e.Benchmarks = map[string]float64{}
	for _, b := range c.Benchmarks {
		task, err := tasks.New(b.Task, b.Options)
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		r, _, err := l.Evaluate(ctx, tok, task, b.Limit)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w; go on with --resume", ErrInterrupted)
		case err != nil:
			return fmt.Errorf("%s: %w", b.Name, err)
		case r.Score == nil:
			return fmt.Errorf("%s: task %s has no score", b.Name, b.Task)
		}
		e.Benchmarks[b.Name] = *r.Score
	}
	return nil
}

// singularValues counts, for each kind of layer, how many singular values of the run's ΔW are above SingularBound: the mean
// over the layers. ΔW is what the adapter makes of the base, or the whole model's difference from it.
func singularValues(c Config) (map[string]float64, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	ranks, err := c.ranks(base)
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

func (c *Config) ranks(base *model.Model) ([]adapter.Rank, error) {
	if !c.WholeModel() {
		a, err := adapter.Load(base, c.OutputDir, AdapterName)
		if err != nil {
			return nil, err
		}
		return a.Ranks(SingularBound)
	}
	after, err := model.Load(c.OutputDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = after.Close() }()
	return adapter.Difference(base, after, SingularBound)
}

// base is the model that a run starts from.
func (c *Config) base() (*model.Model, error) {
	if c.Model == "" {
		config, err := c.modelConfig()
		if err != nil {
			return nil, err
		}
		return model.NewAs(config, model.Options{Seed: stream(c.Seed, forModel, 0)})
	}
	dir, err := ModelDir(c.Model)
	if err != nil {
		return nil, err
	}
	return model.Load(dir)
}
