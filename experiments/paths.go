package experiments

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks/data"
)

// setModel replaces the model by a folder, or the tokenizer if the model is trained from random weights.
func setModel(c *finetune.Config, dir string) {
	switch {
	case c.Model.Path != "":
		c.Model.Path = dir
	case c.Model.Tokenizer != infer.Embedded:
		c.Model.Tokenizer = dir
	}
}

// withUserPaths returns a copy of the recipe with the user's folders and with names resolved.
func (t *table) withUserPaths(recipe finetune.Recipe) (finetune.Recipe, error) {
	recipe = t.withFolders(recipe)
	if t.options.Resolve == nil || t.options.Preset != "" {
		return recipe, nil
	}
	return recipe, t.options.Resolve(&recipe)
}

// withFolders returns a copy of the recipe with the folders in Options.Model and Options.Data in place of its own.
func (t *table) withFolders(recipe finetune.Recipe) finetune.Recipe {
	if t.options.Model != "" {
		setModel(&recipe.Config, t.options.Model)
	}
	task := &recipe.Config.Task
	for _, sources := range []*data.Sources{&task.Data, &task.EvalData} {
		*sources = slices.Clone(*sources)
		for i, one := range *sources {
			(*sources)[i].Path, (*sources)[i].Index = t.underData(one.Path).(string), t.underData(one.Index).(string)
		}
	}
	recipe.Config.Model.Tokenizer = t.underData(recipe.Config.Model.Tokenizer).(string)
	task.Options, _ = t.underData(task.Options).(map[string]any)
	recipe.EvalTasks = slices.Clone(recipe.EvalTasks)
	for i := range recipe.EvalTasks {
		recipe.EvalTasks[i].Options, _ = t.underData(recipe.EvalTasks[i].Options).(map[string]any)
	}
	return recipe
}

// underData returns a copy of a value in which Options.Data, if it is set, replaces the leading folder "data" of all
// paths.
func (t *table) underData(v any) any {
	switch v := v.(type) {
	case string:
		if rest, ok := strings.CutPrefix(v, "data/"); ok && t.options.Data != "" {
			return filepath.Join(t.options.Data, rest)
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
