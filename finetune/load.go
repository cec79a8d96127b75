package finetune

import (
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// load makes the task, and reads the model with the head for it, and its tokenizer.
func (r *run) load() error {
	var err error
	if r.task, err = NewTask(r.c); err != nil {
		return err
	}
	r.result.Task = r.task
	dir, open, err := r.source()
	if err != nil {
		return err
	}
	if r.m, r.newHead, err = openFor(r.task, open, model.Options{Numerics: r.c.Numerics, Seed: stream(r.c.Seed, forHead, 0)}); err != nil {
		return err
	}
	if r.c.Tokenizer != "" {
		if dir, err = ModelDir(r.c.Tokenizer); err != nil {
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
	if n, v := r.tok.VocabSize(), r.m.Config().VocabSize; n > v {
		return fmt.Errorf("the tokenizer in %s has %d tokens, the model %d", dir, n, v)
	}
	return nil
}

// source is where the model comes from, and its folder.
func (r *run) source() (dir string, open opener, err error) {
	if r.resumed != "" && r.c.Method == "full" {
		return r.resumed, loader(r.resumed), nil
	}
	return r.c.source()
}

// source is where the model comes from that a run starts from, and its folder.
func (c *Config) source() (dir string, open opener, err error) {
	switch {
	case c.Model != "":
		dir, err = ModelDir(c.Model)
		return dir, loader(dir), err
	case c.ModelConfig != nil && c.ModelConfig != "":
		config, err := c.modelConfig()
		return "", func(o model.Options) (*model.Model, error) {
			o.Seed = stream(c.Seed, forModel, 0)
			return model.NewAs(config, o)
		}, err
	}
	return "", nil, errors.New("model is empty; name a Hugging Face folder, or embedded")
}

// encode turns the task's examples into rows.
func (r *run) encode() error {
	limit := r.c.MaxLength
	if limit == 0 || limit > r.m.Config().MaxPositionEmbeddings {
		limit = r.m.Config().MaxPositionEmbeddings
	}
	var err error
	if r.rows, err = EncodeSplit(r.tok, r.task, tasks.Train, limit, r.o.Log); err != nil {
		return err
	}
	if r.held, err = EncodeSplit(r.tok, r.task, tasks.Eval, limit, r.o.Log); err != nil {
		return err
	}
	r.texts = tasks.NewPairEncoder(r.tok, limit)
	drawHeld(r.task, r.texts, r.held)
	var warmup int
	r.perEpoch, r.total, warmup = r.c.plan(len(r.rows))
	if r.m.Head().Kind == head.FeatureExtraction {
		if err := r.planPairs(); err != nil {
			return err
		}
	}
	f, err := Schedule(r.c.LRSchedulerType, warmup, r.total, r.c.MinLRRatio)
	if err != nil {
		return err
	}
	f = withRestarts(f, r.c.ReLoRASteps, r.c.ReLoRAWarmupSteps)
	r.rate = func(step int) float64 { return r.c.LearningRate * f(step) }
	if r.o.ShowBatch {
		row := r.draw(r.rows[0], 0, 0)
		_, _ = fmt.Fprintln(r.o.Out, tasks.FormatFeatures(r.tok, row))
	}
	return nil
}
