package finetune

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/settings"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks/data"
)

// Recipe is a run as a YAML file describes it: a Config, and what is for experiments alone.
type Recipe struct {
	// Name is that of the entry of compare, its folder below output_dir; "" where the file is a single run.
	Name   string
	Config Config
	// Search is what an experiment tries before the run, and train does not: a list has values of its key, of which the best
	// are kept; any other value replaces the run's own meanwhile (max_steps, say).
	Search map[string]any `yaml:"search"`
	// EvalTasks are what an experiment scores the trained model on.
	EvalTasks []EvalTask `yaml:"benchmarks"`
}

// EvalTask is a column of a table: a task's eval split, of which Limit examples are answered (0: all). Metric is the
// task's figure that counts; empty is its score.
type EvalTask struct {
	Name    string         `yaml:"name"`
	Task    string         `yaml:"task"`
	Options map[string]any `yaml:"options"`
	Limit   int            `yaml:"limit"`
	Metric  string         `yaml:"metric"`
}

// ParseRecipes reads a YAML file of a run's keys and puts the settings ("key=value") over them. With the key compare it is
// a run for each entry, with the entry's keys in place of the file's. An unknown key is an error that suggests a known one.
func ParseRecipes(raw []byte, set []string) ([]Recipe, error) {
	keys, err := unmarshal(raw)
	if err != nil {
		return nil, err
	}
	for _, s := range set {
		if err := settings.Set(keys, s); err != nil {
			return nil, err
		}
	}
	compare := keys["compare"]
	delete(keys, "compare")
	r, err := decode(keys)
	if err != nil {
		return nil, err
	}
	entries, ok := compare.([]any)
	if compare != nil && !ok {
		return nil, fmt.Errorf("compare: %v is not of its kind (want a list of groups of keys)", compare)
	}
	if len(entries) == 0 {
		return []Recipe{r}, nil
	}
	return compared(raw, set, entries)
}

// compared are the runs of compare.
func compared(raw []byte, set []string, entries []any) ([]Recipe, error) {
	var runs []Recipe
	for _, e := range entries {
		entry, ok := e.(map[string]any)
		name := fmt.Sprint(entry["name"])
		if !ok || entry["name"] == nil || name == "" || strings.ContainsAny(name, `/\`) || slices.ContainsFunc(runs, func(r Recipe) bool { return r.Name == name }) {
			return nil, fmt.Errorf("compare: every entry needs a name of its own, without slashes")
		}
		keys, err := unmarshal(raw)
		if err != nil {
			return nil, err
		}
		delete(keys, "compare")
		for k, v := range entry {
			if k != "name" {
				keys[k] = v
			}
		}
		for _, s := range set {
			if err := settings.Set(keys, s); err != nil {
				return nil, err
			}
		}
		delete(keys, "compare")
		run, err := decode(keys)
		if err != nil {
			return nil, fmt.Errorf("compare: %s: %w", name, err)
		}
		run.Name = name
		runs = append(runs, run)
	}
	return runs, nil
}

// unmarshal reads the keys of a YAML file; an empty one has none.
func unmarshal(raw []byte) (map[string]any, error) {
	v, err := settings.Read(raw)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	keys, ok := v.(map[string]any)
	if v != nil && !ok {
		return nil, fmt.Errorf("the file holds %T; want keys with their values", v)
	}
	if keys == nil {
		keys = map[string]any{}
	}
	return keys, nil
}

// aliases are other names of keys.
var aliases = map[string]string{"max_tokens_per_micro_batch": "slice_tokens"}

// decode sorts keys into the run's own and the method's, over the defaults. A key that is searched and has no value of its
// own has the first of the search.
func decode(keys map[string]any) (Recipe, error) {
	r := Recipe{Config: Default()}
	keys = maps.Clone(keys)
	for alias, key := range aliases {
		if v, ok := keys[alias]; ok {
			if _, both := keys[key]; both {
				return r, fmt.Errorf("%s and %s are one key; give one of them", alias, key)
			}
			keys[key] = v
			delete(keys, alias)
		}
	}
	search, _ := keys["search"].(map[string]any)
	for k, v := range search {
		if list, ok := v.([]any); ok && len(list) > 0 && keys[k] == nil {
			keys[k] = list[0]
		}
	}
	fields := r.fields()
	r.Config.Method.Settings = map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		f, own := fields[k]
		switch {
		case own:
			if err := f.set(k, keys[k]); err != nil {
				return r, err
			}
		case slices.Contains(adapter.Keys(), k):
			r.Config.Method.Settings[k] = keys[k]
		default:
			known := slices.Sorted(maps.Keys(fields))
			return r, fmt.Errorf("unknown key %q%s", k, suggest.Hint(k, append(known, adapter.Keys()...)))
		}
	}
	return r, nil
}

// field is what a key sets, in a part of a recipe.
type field struct {
	reflect.Value
	part string
}

// fields are what a recipe's keys set.
func (r *Recipe) fields() map[string]field {
	all := map[string]field{}
	add := func(part string, v reflect.Value) {
		for i := range v.NumField() {
			if k := v.Type().Field(i).Tag.Get("yaml"); k != "" && k != "-" {
				all[k] = field{v.Field(i), part}
			}
		}
	}
	add("", reflect.ValueOf(r).Elem())
	c := reflect.ValueOf(&r.Config).Elem()
	for i := range c.NumField() {
		add(c.Type().Field(i).Name, c.Field(i))
	}
	return all
}

// set decodes a value of YAML into the field of a key.
func (f field) set(key string, value any) error {
	switch {
	case f.Type() == reflect.TypeFor[ConfigFile]():
		return f.setConfig(key, value)
	case f.Type() == reflect.TypeFor[data.Sources]():
		return f.setSources(key, value)
	}
	if n, ok := value.(float64); ok && n != math.Trunc(n) && f.kind() == "want a whole number" {
		return fmt.Errorf("%s: %v is no whole number", key, value)
	}
	if value != nil && reflect.TypeOf(value).AssignableTo(f.Type()) {
		f.Set(reflect.ValueOf(value)) // a round through YAML would make a text of 1e-05
		return nil
	}
	raw, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if err := yaml.UnmarshalWithOptions(raw, f.Addr().Interface(), yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %v is not of its kind (%s)", key, value, f.kind())
	}
	return nil
}

func (f field) setConfig(key string, value any) error {
	c := ConfigFile{}
	switch v := value.(type) {
	case nil:
	case string:
		c.Path = v
	case map[string]any:
		var err error
		if c.JSON, err = json.Marshal(v); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	default:
		return fmt.Errorf("%s: %v is not of its kind (want a path, or the keys of a config.json)", key, value)
	}
	f.Set(reflect.ValueOf(c))
	return nil
}

func (f field) setSources(key string, value any) error {
	var s data.Sources
	if value != nil {
		raw, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(raw, &s)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	f.Set(reflect.ValueOf(s))
	return nil
}

// kind says what a key wants.
func (f field) kind() string {
	switch f.Kind() {
	case reflect.Int, reflect.Uint64:
		return "want a whole number"
	case reflect.Float64:
		return "want a number"
	case reflect.Bool:
		return "want true or false"
	case reflect.String:
		return "want a text"
	}
	return "want a list or a group of keys"
}

// With is the recipe with other values of some keys, without its search.
func (r Recipe) With(overrides ...map[string]any) (Recipe, error) {
	keys := r.Keys()
	for _, o := range overrides {
		maps.Copy(keys, o)
	}
	with, err := decode(keys)
	with.Name = r.Name
	return with, err
}

// Keys are the recipe's keys that are not at their defaults, without those that are about the folder or other runs.
func (r Recipe) Keys() map[string]any {
	return r.keysOf(func(key, _ string) bool { return key != "search" && key != "output_dir" })
}

// course are the keys that decide the course of the run and are not at their defaults.
func (c Config) course() map[string]any {
	return Recipe{Config: c}.keysOf(func(_, part string) bool { return slices.Contains([]string{"Model", "Task", "Method", "Train"}, part) })
}

func (r Recipe) keysOf(want func(key, part string) bool) map[string]any {
	keys := maps.Clone(r.Config.Method.Settings)
	if keys == nil {
		keys = map[string]any{}
	}
	standard := (&Recipe{Config: Default()}).fields()
	for k, f := range r.fields() {
		if want(k, f.part) && !reflect.DeepEqual(f.Interface(), standard[k].Interface()) {
			keys[k] = plain(f.Interface())
		}
	}
	return keys
}

// plain is a value as YAML would have it.
func plain(v any) any {
	switch v := v.(type) {
	case ConfigFile:
		if v.Path != "" {
			return v.Path
		}
		var keys map[string]any
		if json.Unmarshal(v.JSON, &keys) != nil {
			return string(v.JSON)
		}
		return keys
	case data.Sources:
		return v.Plain()
	case []EvalTask:
		var all []any
		for _, b := range v {
			all = append(all, map[string]any{"name": b.Name, "task": b.Task, "options": b.Options, "limit": b.Limit, "metric": b.Metric})
		}
		return all
	}
	return v
}
