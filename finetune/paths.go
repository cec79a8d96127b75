package finetune

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/tasks/data"
)

// EachPath replaces every path of the recipe by what f returns for it and its kind: "model", "tokenizer", "adapter" or "data". With
// it a program resolves names of its own before the run, as the command does for those of the Hub.
func (r *Recipe) EachPath(f func(kind, path string) (string, error)) error {
	c := &r.Config
	for _, p := range []struct {
		key  string
		path *string
	}{{"model", &c.Model.Path}, {"tokenizer", &c.Model.Tokenizer}, {"adapter", &c.Method.Adapter}} {
		if *p.path == "" {
			continue
		}
		path, err := f(p.key, *p.path)
		if err != nil {
			return fmt.Errorf("%s: %w", p.key, err)
		}
		*p.path = path
	}
	for key, sources := range map[string]data.Sources{"data": c.Task.Data, "eval_data": c.Task.EvalData} {
		if err := eachSource(key, sources, f); err != nil {
			return err
		}
	}
	if err := eachOption(c.Task.Options, f); err != nil {
		return err
	}
	for _, t := range r.EvalTasks {
		if err := eachOption(t.Options, f); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return nil
}

func eachSource(key string, sources data.Sources, f func(kind, path string) (string, error)) error {
	for i := range sources {
		path, err := f("data", sources[i].Path)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		sources[i].Path = path
	}
	return nil
}

// eachOption does so for the options of a task that name data.
func eachOption(options map[string]any, f func(kind, path string) (string, error)) error {
	for _, key := range []string{"data", "eval_data", "test_data"} {
		if options[key] == nil {
			continue
		}
		raw, err := json.Marshal(options[key])
		var sources data.Sources
		if err != nil || json.Unmarshal(raw, &sources) != nil {
			continue // the task says what is wrong
		}
		before := slices.Clone(sources)
		if err := eachSource(key, sources, f); err != nil {
			return err
		}
		if !reflect.DeepEqual(before, sources) {
			options[key] = sources.Plain()
		}
	}
	return nil
}

// portable returns the value of a key with names in the place of paths in a cache of the Hub: they mean the same elsewhere.
func portable(v any) any {
	switch v := v.(type) {
	case string:
		if name, ok := hub.NameOf(v); ok {
			return name.String()
		}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = portable(v[i])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for k := range v {
			all[k] = portable(v[k])
		}
		return all
	}
	return v
}
