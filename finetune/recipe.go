package finetune

import (
	"encoding/json"
	"errors"
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
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// Recipe is a run as a YAML file describes it: a Config, and keys that only package experiments uses.
type Recipe struct {
	// Name is the name of an entry of compare, and of its folder in output_dir; "" if the file describes a single run. Each
	// entry of compare is a run of its own: a group of keys with a name, which override those of the file.
	Name   string
	Config Config
	// Search is a grid search for the run's settings, which `finetune search` and `finetune table` run (docs/reproduction.md).
	// A list holds the values to try for its key; metric, seeds, widen and stop_early say how; any other value replaces that
	// of the run during the search, such as other eval_data.
	Search map[string]any `yaml:"search"`
	// Table says how the runs are reported as a table.
	Table TableSpec
	// EvalTasks are the tasks that an experiment scores the trained model on.
	EvalTasks []EvalTask `yaml:"benchmarks"`
}

// TableSpec says how package experiments makes a table of the runs of a file. It changes no run.
type TableSpec struct {
	// Title stands above the table.
	Title string `yaml:"title"`
	// Columns are the figures to report, such as "score by step" or "best loss" (docs/reproduction.md lists them). Without
	// any, they follow from what the runs measure.
	Columns []string `yaml:"columns"`
	// Seeds is how many seeds a row is run with, from the row's own seed on; 0 means 1.
	Seeds int `yaml:"seeds"`
	// Baseline is the name of the row that the others are tested against, seed by seed.
	Baseline string `yaml:"baseline"`
	// Bootstrap is how many resamples of the held-out examples (documents, or questions) an interval of the difference to the
	// baseline is made from, 100 to 1,000,000; 0 makes none.
	Bootstrap int `yaml:"bootstrap"`
	// Published is a table to print beside this one, or a list of them: each is a group with source, columns and rows, or
	// the text "FILE#KEY" for a group in another file.
	Published any `yaml:"published"`
	// PublishedRow is the key of the published row that an entry of compare stands beside.
	PublishedRow string `yaml:"published_row"`
}

// EvalTask is a column of an experiment's table: a task whose eval split is answered, up to Limit examples (0 means
// all). Metric is the metric to report; if it is empty, the task's score.
type EvalTask struct {
	// Name is the title of the column.
	Name string `yaml:"name"`
	// Task is the name of the task.
	Task string `yaml:"task"`
	// Options are the options of the task.
	Options map[string]any `yaml:"options"`
	// Limit is how many examples are answered; 0 means all.
	Limit int `yaml:"limit"`
	// Metric is the metric to report; if it is empty, the task's score.
	Metric string `yaml:"metric"`
}

// ParseRecipes parses a YAML recipe and overrides its keys with the settings ("key=value"). A recipe with the key
// compare yields a run for each entry, whose keys override those of the file. An unknown key is an error that suggests
// a known one.
func ParseRecipes(raw []byte, set []string) ([]Recipe, error) {
	keys, err := parseYAML(raw)
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
	r, err := decodeKeys(keys)
	if err != nil {
		return nil, err
	}
	entries, ok := compare.([]any)
	if compare != nil && !ok {
		return nil, fmt.Errorf("compare: %v has the wrong type; want a list of groups of keys", compare)
	}
	if len(entries) == 0 {
		return []Recipe{r}, nil
	}
	return parseCompare(raw, set, entries)
}

// parseCompare returns a recipe for each entry of compare.
func parseCompare(raw []byte, set []string, entries []any) ([]Recipe, error) {
	var runs []Recipe
	for _, e := range entries {
		entry, ok := e.(map[string]any)
		name := fmt.Sprint(entry["name"])
		folder := !slices.Contains([]string{"", ".", ".."}, name) && !strings.ContainsAny(name, `/\`)
		if !ok || entry["name"] == nil || !folder || slices.ContainsFunc(runs, func(r Recipe) bool { return r.Name == name }) {
			return nil, errors.New("compare: every entry needs a name of its own, which its folder gets: not . or .., and without slashes")
		}
		keys, err := parseYAML(raw)
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
		run, err := decodeKeys(keys)
		if err != nil {
			return nil, fmt.Errorf("compare: %s: %w", name, err)
		}
		run.Name = name
		runs = append(runs, run)
	}
	return runs, nil
}

// parseYAML parses the keys of a YAML file, which may be empty.
func parseYAML(raw []byte) (map[string]any, error) {
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

// aliases maps other names of keys to the names that are used in files.
var aliases = map[string]string{"max_tokens_per_micro_batch": "slice_tokens", "buffer_size": "shuffle_buffer_size"}

// decodeKeys returns the recipe that keys describe, over the defaults. Keys of the adapter's config become settings of
// the method. A key that is searched and has no value itself takes the first value of the search.
func decodeKeys(keys map[string]any) (Recipe, error) {
	r := Recipe{Config: Default()}
	keys = maps.Clone(keys)
	aliases := maps.Clone(aliases)
	if _, group := keys["columns"].(map[string]any); group { // a list is the columns of a table
		aliases["columns"] = "column_mapping"
	}
	for alias, key := range aliases {
		if v, ok := keys[alias]; ok {
			if _, both := keys[key]; both {
				return r, fmt.Errorf("%s and %s are names of the same key; set only one of them", alias, key)
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
			return r, unknownKey(k, slices.Sorted(maps.Keys(fields)))
		}
	}
	if _, named := keys["method"]; r.Config.Method.Adapter != "" && !named {
		r.Config.Method.Name = "" // that of the adapter
	}
	return r, nil
}

// field is the struct field that a key sets, in a part of Config ("" for fields of Recipe itself).
type field struct {
	reflect.Value
	part string
}

// fields maps a recipe's keys to the fields that they set.
func (r *Recipe) fields() map[string]field {
	all := map[string]field{}
	addFields(all, "", reflect.ValueOf(r).Elem())
	addFields(all, "Table", reflect.ValueOf(&r.Table).Elem())
	c := reflect.ValueOf(&r.Config).Elem()
	for i := range c.NumField() {
		addFields(all, c.Type().Field(i).Name, c.Field(i))
	}
	return all
}

// addFields adds the fields of a struct that have keys.
func addFields(all map[string]field, part string, v reflect.Value) {
	for i := range v.NumField() {
		if k := v.Type().Field(i).Tag.Get("yaml"); k != "" && k != "-" {
			all[k] = field{v.Field(i), part}
		}
	}
}

// set decodes a YAML value into the field of a key.
func (f field) set(key string, value any) error {
	switch {
	case f.Type() == reflect.TypeFor[ConfigFile]():
		return f.setConfig(key, value)
	case f.Type() == reflect.TypeFor[data.Sources]():
		return f.setSources(key, value)
	case f.Type() == reflect.TypeFor[[]EvalTask]():
		return f.setEvalTasks(key, value)
	}
	if f.Kind() == reflect.Pointer {
		if value == nil {
			f.SetZero()
			return nil
		}
		v := reflect.New(f.Type().Elem())
		if err := (field{v.Elem(), f.part}).set(key, value); err != nil {
			return err
		}
		f.Set(v)
		return nil
	}
	if on, ok := value.(bool); ok && key == "gradient_checkpointing" { // as in Trainer
		value = map[bool]string{true: "block", false: "none"}[on]
	}
	if n, ok := value.(float64); ok && n != math.Trunc(n) && f.want() == wantInteger {
		return fmt.Errorf("%s: %v is not a whole number", key, value)
	}
	if value != nil && reflect.TypeOf(value).AssignableTo(f.Type()) {
		f.Set(reflect.ValueOf(value)) // a round trip through YAML would turn 1e-05 into a string
		return nil
	}
	raw, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if err := yaml.UnmarshalWithOptions(raw, f.Addr().Interface(), yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %v has the wrong type; want %s", key, value, f.want())
	}
	return nil
}

// setConfig sets a ConfigFile from a path or from the keys of a config.json.
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
		return fmt.Errorf("%s: %v has the wrong type; want a path, or the keys of a config.json", key, value)
	}
	f.Set(reflect.ValueOf(c))
	return nil
}

// setSources sets data.Sources by way of its JSON form.
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

// setEvalTasks sets tasks from a list of groups of keys.
func (f field) setEvalTasks(key string, value any) error {
	list, ok := value.([]any)
	if !ok && value != nil {
		return fmt.Errorf("%s: %v has the wrong type; want a list of groups of keys, such as [{name: gsm8k, task: math, options: {data: FILE}}]", key, value)
	}
	var all []EvalTask
	for i, v := range list {
		entry, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%s, entry %d: %v has the wrong type; want a group of keys, such as {name: gsm8k, task: math, options: {data: FILE}}", key, i+1, v)
		}
		var t EvalTask
		fields := map[string]field{}
		addFields(fields, f.part, reflect.ValueOf(&t).Elem())
		for _, k := range slices.Sorted(maps.Keys(entry)) {
			own, ok := fields[k]
			if name, _ := entry["task"].(string); !ok && slices.Contains(tasks.Options(name), k) {
				return fmt.Errorf("%s, entry %d: unknown key %q; it is an option of the task: write options: {%s: …}", key, i+1, k, k)
			}
			if !ok {
				return fmt.Errorf("%s, entry %d: unknown key %q%s", key, i+1, k, suggest.Hint(k, slices.Collect(maps.Keys(fields))))
			}
			if err := own.set(fmt.Sprintf("%s, entry %d: %s", key, i+1, k), entry[k]); err != nil {
				return err
			}
		}
		all = append(all, t)
	}
	f.Set(reflect.ValueOf(all))
	return nil
}

const wantInteger = "a whole number"

// want names the type of value that a key takes, for messages.
func (f field) want() string {
	switch f.Kind() {
	case reflect.Int, reflect.Uint64:
		return wantInteger
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	}
	return "a list or a group of keys"
}

// With returns the recipe with other values of some keys, and without its search. A key whose value is nil takes its
// default.
func (r Recipe) With(overrides ...map[string]any) (Recipe, error) {
	keys := r.Keys()
	for _, o := range overrides {
		maps.Copy(keys, o)
	}
	maps.DeleteFunc(keys, func(_ string, v any) bool { return v == nil })
	with, err := decodeKeys(keys)
	with.Name, with.Table = r.Name, r.Table
	return with, err
}

// Keys returns the keys that differ from their defaults, except search, output_dir and those of the table.
func (r Recipe) Keys() map[string]any {
	return r.keysOf(func(key, part string) bool { return part != "Table" && key != "search" && key != "output_dir" })
}

// courseKeys returns the keys that decide the course of the run and differ from their defaults.
func (c Config) courseKeys() map[string]any {
	keys := Recipe{Config: c}.keysOf(func(_, part string) bool { return slices.Contains([]string{"Model", "Task", "Method", "Train"}, part) })
	for _, k := range []string{"model", "tokenizer", "adapter", "data", "eval_data", "task_options"} {
		if keys[k] != nil {
			keys[k] = portable(keys[k])
		}
	}
	if c.Method.Adapter != "" {
		delete(keys, "method") // the adapter's
	}
	return keys
}

// keysOf returns the wanted keys that differ from their defaults, and all settings of the method.
func (r Recipe) keysOf(want func(key, part string) bool) map[string]any {
	keys := maps.Clone(r.Config.Method.Settings)
	if keys == nil {
		keys = map[string]any{}
	}
	standard := (&Recipe{Config: Default()}).fields()
	for k, f := range r.fields() {
		if want(k, f.part) && !reflect.DeepEqual(f.Interface(), standard[k].Interface()) {
			keys[k] = plainValue(f.Interface())
		}
	}
	return keys
}

// plainValue converts the value of a field to what YAML would decode it from.
func plainValue(v any) any {
	switch v := v.(type) {
	case *float64:
		if v == nil {
			return nil
		}
		return *v
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
