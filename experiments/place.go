package experiments

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks/data"
)

// settings are the keys that decide a run: a model that the user named counts by its folder's name, data by their names
// in the recipe.
func (t *table) settings(c finetune.Recipe) map[string]any {
	if t.o.Model != "" {
		setModel(&c.Config, filepath.Base(t.o.Model))
	}
	return c.Keys()
}

// setModel puts a folder in the place of the recipe's model, or of the tokenizer where it trains from random weights.
func setModel(c *finetune.Config, dir string) {
	switch {
	case c.Model.Path != "":
		c.Model.Path = dir
	case c.Model.Tokenizer != infer.Embedded:
		c.Model.Tokenizer = dir
	}
}

// digestOf is of a run's settings.
func digestOf(settings map[string]any) string {
	raw, err := json.Marshal(settings)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// located puts the folders that the user named in the places of the recipe's.
func (t *table) located(c finetune.Recipe) finetune.Recipe {
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
			(*sources)[i].Path, (*sources)[i].Index = t.under(one.Path).(string), t.under(one.Index).(string)
		}
	}
	c.Config.Model.Tokenizer = t.under(c.Config.Model.Tokenizer).(string)
	task.Options, _ = t.under(task.Options).(map[string]any)
	c.EvalTasks = slices.Clone(c.EvalTasks)
	for i := range c.EvalTasks {
		c.EvalTasks[i].Options, _ = t.under(c.EvalTasks[i].Options).(map[string]any)
	}
	return c
}

// under replaces the folder "data" that paths in a value begin with.
func (t *table) under(v any) any {
	switch v := v.(type) {
	case string:
		if rest, ok := strings.CutPrefix(v, "data/"); ok {
			return filepath.Join(t.o.Data, rest)
		}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = t.under(v[i])
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for k := range v {
			all[k] = t.under(v[k])
		}
		return all
	}
	return v
}
