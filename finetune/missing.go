package finetune

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/tasks"
)

// Validate says what a run needs that is not there: its model, tokenizer, data.
func (c *Config) Validate() []string {
	var missing []string
	if err := c.missingModel(); err != nil {
		missing = append(missing, "model: "+err.Error())
	}
	if c.Tokenizer != "" {
		if dir, err := ModelDir(c.Tokenizer); err != nil {
			missing = append(missing, "tokenizer: "+err.Error())
		} else if _, err := os.Stat(dir); err != nil {
			missing = append(missing, "tokenizer: "+dir+" is not there")
		}
	}
	task, err := NewTask(*c)
	if err == nil {
		_, err = firstExamples(task, tasks.Train, 1)
	}
	if err != nil {
		missing = append(missing, data(err))
	}
	for _, b := range c.EvalTasks {
		if err := b.missing(); err != nil {
			missing = append(missing, b.Name+": "+data(err))
		}
	}
	return missing
}

// missing says why a benchmark cannot be asked.
func (b EvalTask) missing() error {
	task, err := tasks.New(b.Task, b.Options)
	if err == nil {
		_, err = firstExamples(task, tasks.Eval, 1)
	}
	return err
}

// missingModel says why a run's model cannot be read.
func (c *Config) missingModel() error {
	switch {
	case c.Model != "":
		dir, err := ModelDir(c.Model)
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
			return fmt.Errorf("%s is not there", c.Model)
		}
		return nil
	case c.ModelConfig != nil && c.ModelConfig != "":
		_, err := c.modelConfig()
		return err
	}
	return fmt.Errorf("none is named")
}

// data is an error about data in a few words.
func data(err error) string {
	text := err.Error()
	if at := strings.Index(text, "open "); at >= 0 && strings.HasSuffix(text, "no such file or directory") {
		return "data: " + strings.TrimSuffix(text[at+5:], ": no such file or directory") + " is not there"
	}
	return text
}
