package finetune

import (
	"context"
	"errors"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
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
	if r.m, r.newHead, err = infer.OpenFor(r.task, open, model.Options{Numerics: r.c.Model.Numerics, Seed: deriveSeed(r.c.Train.Seed, purposeHead, 0)}); err != nil {
		return err
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
	if r.resumeFrom != "" && r.c.Method.Name == "full" {
		return r.resumeFrom, loader(ctx, r.resumeFrom), nil
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
			o.Seed = deriveSeed(c.Train.Seed, purposeModel, 0)
			return model.New(config, o)
		}, err
	}
	return "", nil, errors.New("model is empty; name a Hugging Face folder, or embedded")
}
