package experiments

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks/data"
)

// setModel puts a folder in the place of the recipe's model, or of the tokenizer where it trains from random weights.
func setModel(c *finetune.Config, dir string) {
	switch {
	case c.Model.Path != "":
		c.Model.Path = dir
	case c.Model.Tokenizer != infer.Embedded:
		c.Model.Tokenizer = dir
	}
}

// withUserPaths puts the folders that the user named in the places of the recipe's.
func (t *table) withUserPaths(c finetune.Recipe) finetune.Recipe {
	if t.o.Model != "" {
		setModel(&c.Config, t.o.Model)
	}
	if t.o.Data == "" {
		return c
	}
	task := &c.Config.Task
	for _, sources := range []*data.Sources{&task.Data, &task.EvalData} {
		*sources = slices.Clone(*sources)
		for i, one := range *sources {
			(*sources)[i].Path, (*sources)[i].Index = t.underData(one.Path).(string), t.underData(one.Index).(string)
		}
	}
	c.Config.Model.Tokenizer = t.underData(c.Config.Model.Tokenizer).(string)
	task.Options, _ = t.underData(task.Options).(map[string]any)
	c.EvalTasks = slices.Clone(c.EvalTasks)
	for i := range c.EvalTasks {
		c.EvalTasks[i].Options, _ = t.underData(c.EvalTasks[i].Options).(map[string]any)
	}
	return c
}

// underData replaces the folder "data" that paths in a value begin with.
func (t *table) underData(v any) any {
	switch v := v.(type) {
	case string:
		if rest, ok := strings.CutPrefix(v, "data/"); ok {
			return filepath.Join(t.o.Data, rest)
		}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = t.underData(v[i])
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for k := range v {
			all[k] = t.underData(v[k])
		}
		return all
	}
	return v
}
