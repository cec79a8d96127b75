package finetune

import (
	"context"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// load makes the task, and reads the model with the head for it, and its tokenizer.
func (r *run) load(ctx context.Context) error {
	var err error
	if r.task, err = r.c.Task.New(); err != nil {
		return err
	}
	r.result.Task = r.task
	dir, open, err := r.source(ctx)
	if err != nil {
		return err
	}
	if r.m, r.newHead, err = infer.OpenFor(r.task, open, model.Options{Numerics: r.c.Model.Numerics, Seed: stream(r.c.Train.Seed, forHead, 0)}); err != nil {
		return err
	}
	for _, w := range r.m.Warnings {
		r.o.Log.Warn().Msg(w)
	}
	if r.c.Model.Tokenizer != "" {
		if dir, err = infer.ModelDir(r.c.Model.Tokenizer); err != nil {
			return err
		}
	}
	if dir == "" {
		return errors.New("tokenizer is empty; a model from random weights needs one named")
	}
	if r.tok, err = tokenizer.Load(dir); err != nil {
		return err
	}
	if r.m.Dir == "" {
		r.m.Dir = dir // a model from random weights takes the tokenizer's files along
	}
	return infer.MatchTokenizer(r.tok, r.m, dir)
}

// source is where the model comes from, and its folder.
func (r *run) source(ctx context.Context) (dir string, open infer.Opener, err error) {
	if r.resumed != "" && r.c.Method.Name == "full" {
		return r.resumed, loader(ctx, r.resumed), nil
	}
	return r.c.Source(ctx)
}

func loader(ctx context.Context, dir string) infer.Opener {
	return func(o model.Options) (*model.Model, error) { return model.Load(ctx, dir, o) }
}

// Source is where the model comes from that a run starts from, and its folder.
func (c *Config) Source(ctx context.Context) (dir string, open infer.Opener, err error) {
	switch {
	case c.Model.Path != "":
		dir, err = infer.ModelDir(c.Model.Path)
		return dir, loader(ctx, dir), err
	case !c.Model.Config.Empty():
		config, err := c.Model.Config.Read()
		return "", func(o model.Options) (*model.Model, error) {
			o.Seed = stream(c.Train.Seed, forModel, 0)
			return model.New(config, o)
		}, err
	}
	return "", nil, errors.New("model is empty; name a Hugging Face folder, or embedded")
}

// encode turns the task's examples into rows.
func (r *run) encode() error {
	limit := r.c.Task.MaxLength
	if limit == 0 || limit > r.m.Config().MaxPositionEmbeddings {
		limit = r.m.Config().MaxPositionEmbeddings
	}
	var err error
	if r.rows, err = encodeSplit(r.tok, r.task, tasks.Train, limit, r.o.Log); err != nil {
		return err
	}
	if r.held, err = encodeSplit(r.tok, r.task, tasks.Eval, limit, r.o.Log); err != nil {
		return err
	}
	r.texts = tasks.NewPairEncoder(r.tok, limit)
	infer.CollateEval(r.task, r.texts, r.held)
	var warmup int
	r.perEpoch, r.total, warmup = r.c.Train.plan(len(r.rows))
	if r.m.Head().Kind == head.FeatureExtraction {
		if err := r.planPairs(); err != nil {
			return err
		}
	}
	f, err := Schedule(r.c.Train.LRSchedulerType, warmup, r.total, r.c.Train.MinLRRatio)
	if err != nil {
		return err
	}
	f = withRestarts(f, r.c.Train.ReLoRASteps, r.c.Train.ReLoRAWarmupSteps)
	r.rate = func(step int) float64 { return r.c.Train.LearningRate * f(step) }
	if r.o.ShowBatch {
		row := r.draw(r.rows[0], 0, 0)
		_, _ = fmt.Fprintln(r.o.Out, tasks.FormatFeatures(r.tok, row))
	}
	return nil
}
