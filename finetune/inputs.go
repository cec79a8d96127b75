package finetune

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// MissingInputs lists which of the run's inputs are missing or cannot be read: its model, its adapter, its tokenizer, its
// data. It returns nil if all can be.
func (c *Config) MissingInputs() []string {
	var missing []string
	for _, in := range c.inputs(context.Background()) {
		if in.err != nil {
			missing = append(missing, in.String())
		}
	}
	return missing
}

// absentInputs lists which of the run's inputs are not there. One that is there and cannot be used is an error.
func (c *Config) absentInputs(ctx context.Context) (missing []string, err error) {
	for _, in := range c.inputs(ctx) {
		switch {
		case in.err == nil:
		case in.absent():
			missing = append(missing, in.String())
		default:
			return nil, in.err
		}
	}
	return missing, nil
}

// runInput is what a run reads; err says why it cannot.
type runInput struct {
	name string
	err  error
}

// String is a line about an input that cannot be read.
func (in runInput) String() string {
	if in.name == inputData || in.name == inputEvalData {
		return dataError(in.name, in.err)
	}
	return in.name + ": " + in.err.Error()
}

// absent says whether the input is not there, as opposed to wrong.
func (in runInput) absent() bool {
	return errors.Is(in.err, fs.ErrNotExist) || errors.Is(in.err, errNotNamed)
}

const (
	inputData     = "data"
	inputEvalData = "eval_data"
)

// errNotNamed is the error of an input that the recipe does not name.
var errNotNamed = errors.New("none is named")

// inputs tries all that the run reads.
func (c *Config) inputs(ctx context.Context) []runInput {
	return append(c.modelInputs(), c.dataInputs(ctx)...)
}

// modelInputs tries the model, the adapter and the tokenizer.
func (c *Config) modelInputs() []runInput {
	all := []runInput{{"model", c.missingModel()}}
	if dir := c.Method.Adapter; dir != "" {
		_, err := adapter.ReadConfig(dir)
		all = append(all, runInput{"adapter", err})
	}
	if c.Model.Tokenizer != "" {
		dir, err := infer.ModelDir(c.Model.Tokenizer)
		if err == nil {
			err = exists(dir)
		}
		all = append(all, runInput{"tokenizer", err})
	}
	return all
}

// dataInputs tries the data, until ctx is done.
func (c *Config) dataInputs(ctx context.Context) []runInput {
	task, err := c.Task.New()
	if err == nil {
		tasks.SetContext(ctx, task)
		_, err = evaluate.FirstExamples(task, tasks.Train, 1)
	}
	all := []runInput{{inputData, err}}
	if err == nil && len(c.Task.EvalData) > 0 {
		if _, err := evaluate.FirstExamples(task, tasks.Eval, 1); !errors.Is(err, tasks.ErrNoExamples) {
			all = append(all, runInput{inputEvalData, err})
		}
	}
	return all
}

// exists returns an error that is fs.ErrNotExist if nothing has the name.
func exists(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return absentError(path)
	} else if err != nil {
		return err
	}
	return nil
}

// absentError is an fs.ErrNotExist about a path.
type absentError string

func (e absentError) Error() string { return string(e) + " does not exist" }

func (absentError) Is(target error) bool { return target == fs.ErrNotExist }

// MissingInputs lists which inputs of the recipe's run and of its eval tasks are missing. It returns nil if none is.
func (r Recipe) MissingInputs() []string {
	missing := r.Config.MissingInputs()
	for _, b := range r.EvalTasks {
		if err := b.missingInput(); err != nil {
			missing = append(missing, b.Name+": "+dataError(inputData, err))
		}
	}
	return missing
}

// missingInput returns why the task's data cannot be read, or nil.
func (b EvalTask) missingInput() error {
	task, err := tasks.New(b.Task, b.Options)
	if err == nil {
		_, err = evaluate.FirstExamples(task, tasks.Eval, 1)
	}
	return err
}

// missingModel returns why the run's model cannot be read, or nil.
func (c *Config) missingModel() error {
	switch {
	case c.Model.Path != "":
		dir, err := infer.ModelDir(c.Model.Path)
		if err == nil {
			err = exists(dir)
		}
		if err == nil {
			_, err = model.ReadConfig(dir)
		}
		return err
	case !c.Model.Config.Empty():
		_, err := c.Model.Config.Read()
		return err
	}
	return errNotNamed
}

// dataError shortens an error about a file that is not there to a few words.
func dataError(key string, err error) string {
	var missing *fs.PathError
	if errors.As(err, &missing) && errors.Is(missing, fs.ErrNotExist) {
		return key + ": " + absentError(missing.Path).Error()
	}
	return err.Error()
}
