package finetune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// load creates the task and loads the model, with the head that the task needs, and the tokenizer.
func (r *run) load(ctx context.Context) error {
	var err error
	if r.task, err = r.config.Task.New(); err != nil {
		return err
	}
	tasks.SetContext(r.dataContext, r.task)
	r.result.Task = r.task
	if err := r.checkRandomWeights(); err != nil {
		return err
	}
	dir, open, err := r.source(ctx)
	if err != nil {
		return err
	}
	var setup infer.ModelSetup // of the adapter that the run goes on from
	if dir := r.config.Method.Adapter; dir != "" {
		if err := folder.Wants(dir, "adapter_config.json"); err != nil {
			return fmt.Errorf("adapter: %w", err)
		}
		method, err := r.config.Method.method()
		if err != nil {
			return err
		}
		r.config.Method.Name = adapter.NameOf(method)
		if setup, err = infer.ReadAdapterSetup(dir); err != nil {
			return fmt.Errorf("adapter: %w", err)
		}
		open = withSetup(open, setup)
	}
	if r.model, r.newHead, err = infer.OpenFor(r.task, open, model.Options{Numerics: r.config.Model.Numerics, Seed: deriveSeed(r.config.Train.Seed, purposeHead, 0)}); err != nil {
		return err
	}
	for _, w := range r.model.Warnings {
		r.options.Log.Warn().Msg(w)
	}
	if own := infer.HeadOf(r.model); setup.Kind != "" && (own.Kind != setup.Kind || !slices.Equal(own.Labels, setup.Labels)) {
		return fmt.Errorf("adapter: %s has a head for %s with the labels %s; the task wants %s with %s", r.config.Method.Adapter,
			setup.Kind, wording.List(setup.Labels, 8, ", "), own.Kind, wording.List(own.Labels, 8, ", "))
	}
	if err := r.loadTokenizer(dir); err != nil {
		return err
	}
	r.open = open
	grows := r.config.Model.ChatTemplate != "" || r.tokenizerFiles != nil && r.tokenizerFiles.FromAdapter()
	if n := r.tok.VocabSize(); grows && n > r.model.Config().VocabSize {
		if err := r.resize(n); err != nil {
			return err
		}
	}
	if r.model.Dir == "" {
		r.model.Dir = r.tokenizerDir // so that saving a model with random weights copies the tokenizer's files
	}
	dated := *r.tok // a session's is not changed
	dated.Now = r.clock.Date
	r.tok = &dated
	return infer.MatchTokenizer(r.tok, r.model, r.tokenizerDir)
}

// resize opens the model again, with embeddings of another number of tokens.
func (r *run) resize(tokens int) (err error) {
	options, dir := r.model.Options, r.model.Dir
	if err := r.model.Close(); err != nil {
		return err
	}
	options.VocabSize = tokens
	if r.model, err = r.open(options); err == nil && r.model.Dir == "" {
		r.model.Dir = dir
	}
	return err
}

// source is Config.Source, except that a run may have a session, and that the weights of a run of all parameters are those of
// its checkpoint. Its other files are still those of the model that it began with: the checkpoint is removed one day.
func (r *run) source(ctx context.Context) (dir string, open infer.Opener, err error) {
	s := r.options.Session
	switch {
	case s == nil:
		dir, open, err = r.config.Source(ctx)
	case s.Adapter != "":
		return "", nil, fmt.Errorf("the session has the adapter %q; open the base alone to train on it", s.Adapter)
	default:
		dir, open = s.Model.Dir, func(o model.Options) (*model.Model, error) { return s.Model.Share(ctx, o) }
	}
	if err == nil && r.resumeFrom != "" && r.config.Method.Name == "full" {
		open = func(o model.Options) (*model.Model, error) {
			m, err := model.Load(ctx, r.resumeFrom, o)
			if err == nil {
				m.TakeFilesFrom(dir)
			}
			return m, err
		}
	}
	return dir, open, err
}

// withSetup returns open with the head and the numerics of an adapter, unless the caller asks for others.
func withSetup(open infer.Opener, s infer.ModelSetup) infer.Opener {
	return func(o model.Options) (*model.Model, error) {
		if o.Head.Kind == "" {
			o.Head = s.Config
		}
		o.Numerics = cmp.Or(o.Numerics, s.Numerics)
		return open(o)
	}
}

// loader returns a function that loads the model in a folder.
func loader(ctx context.Context, dir string) infer.Opener {
	return func(o model.Options) (*model.Model, error) { return model.Load(ctx, dir, o) }
}

// Source returns the folder of the model that a run starts from, "" for random weights, and a function that opens the
// model.
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
