package finetune

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// MissingInputs lists which of the run's inputs are missing: its model, its tokenizer, its data. It returns nil if none
// is.
func (c *Config) MissingInputs() []string {
	var missing []string
	if err := c.missingModel(); err != nil {
		missing = append(missing, "model: "+err.Error())
	}
	if c.Model.Tokenizer != "" {
		if dir, err := infer.ModelDir(c.Model.Tokenizer); err != nil {
			missing = append(missing, "tokenizer: "+err.Error())
		} else if _, err := os.Stat(dir); err != nil {
			missing = append(missing, "tokenizer: "+dir+" does not exist")
		}
	}
	task, err := c.Task.New()
	if err == nil {
		_, err = evaluate.FirstExamples(task, tasks.Train, 1)
	}
	if err != nil {
		missing = append(missing, dataError(err))
	}
	return missing
}

// MissingInputs lists which inputs of the recipe's run and of its eval tasks are missing. It returns nil if none is.
func (r Recipe) MissingInputs() []string {
	missing := r.Config.MissingInputs()
	for _, b := range r.EvalTasks {
		if err := b.missingInput(); err != nil {
			missing = append(missing, b.Name+": "+dataError(err))
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
		if err != nil {
			return err
		}
		_, err = fs.Stat(llamacpp.Files(dir), "config.json")
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s does not exist", c.Model.Path)
		}
		return err
	case !c.Model.Config.Empty():
		_, err := c.Model.Config.Read()
		return err
	}
	return errors.New("none is named")
}

// dataError shortens an error about data to a few words.
func dataError(err error) string {
	text := err.Error()
	if at := strings.Index(text, "open "); at >= 0 && strings.HasSuffix(text, "no such file or directory") {
		return "data: " + strings.TrimSuffix(text[at+5:], ": no such file or directory") + " does not exist"
	}
	return text
}
