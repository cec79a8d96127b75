package finetune

import (
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/suggest"
)

// ReadRecipe reads a YAML file of a run's keys and puts the settings ("key=value") over them. An unknown key is an error
// that suggests a known one.
func ReadRecipe(path string, settings []string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("recipe: %w", err)
	}
	c, err := ParseRecipe(raw, settings)
	if err != nil {
		return Config{}, fmt.Errorf("recipe: %s: %w", path, err)
	}
	return c, nil
}

// ParseRecipe is ReadRecipe on the file's content.
func ParseRecipe(raw []byte, settings []string) (Config, error) {
	keys, err := unmarshal(raw)
	if err != nil {
		return Config{}, err
	}
	for _, s := range settings {
		if err := set(keys, s); err != nil {
			return Config{}, err
		}
	}
	return decode(keys)
}

// unmarshal reads the keys of a YAML file; an empty one has none.
func unmarshal(raw []byte) (map[string]any, error) {
	var keys map[string]any
	if err := yaml.Unmarshal(raw, &keys); err != nil {
		return nil, fmt.Errorf("%s", strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	if keys == nil {
		keys = map[string]any{}
	}
	return keys, nil
}

// set puts key=value (value in YAML, key with dots for nested ones) over the keys.
func set(keys map[string]any, setting string) error {
	key, text, ok := strings.Cut(setting, "=")
	if !ok || key == "" {
		return fmt.Errorf("--set %s: want key=value", setting)
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("--set %s: the value is no YAML", setting)
	}
	path := strings.Split(key, ".")
	for _, p := range path[:len(path)-1] {
		inner, ok := keys[p].(map[string]any)
		if !ok {
			if keys[p] != nil {
				return fmt.Errorf("--set %s: %s is no group of keys", setting, p)
			}
			inner = map[string]any{}
			keys[p] = inner
		}
		keys = inner
	}
	keys[path[len(path)-1]] = v
	return nil
}

// decode sorts keys into the run's own and the adapter's, over the defaults. A key that is searched and has no value of its
// own has the first of the search.
func decode(keys map[string]any) (Config, error) {
	c := Default()
	keys = maps.Clone(keys)
	search, _ := keys["search"].(map[string]any)
	for k, v := range search {
		if list, ok := v.([]any); ok && len(list) > 0 && keys[k] == nil {
			keys[k] = list[0]
		}
	}
	own, known := map[string]any{}, configKeys()
	c.Adapter = map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		switch {
		case slices.Contains(known, k):
			own[k] = keys[k]
		case slices.Contains(adapter.Keys(), k):
			c.Adapter[k] = keys[k]
		default:
			return c, fmt.Errorf("unknown key %q%s", k, suggest.Hint(k, append(known, adapter.Keys()...)))
		}
	}
	for k, v := range own {
		if err := assign(&c, k, v); err != nil {
			return c, err
		}
	}
	return c, nil
}

// assign decodes one key into its field.
func assign(c *Config, key string, value any) error {
	if f, ok := value.(float64); ok && f != math.Trunc(f) && fieldKind(key) == "want a whole number" {
		return fmt.Errorf("%s: %v is no whole number", key, value)
	}
	if f := fieldOf(c, key); value != nil && reflect.TypeOf(value).AssignableTo(f.Type()) {
		f.Set(reflect.ValueOf(value)) // a round through YAML would make a text of 1e-05
		return nil
	}
	one, err := yaml.Marshal(map[string]any{key: value})
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if err := yaml.UnmarshalWithOptions(one, c, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %v is not of its kind (%s)", key, value, fieldKind(key))
	}
	return nil
}

// fieldOf is the field of a key.
func fieldOf(c *Config, key string) reflect.Value {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// configKeys lists a recipe's own keys.
func configKeys() []string {
	var keys []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "-" {
			keys = append(keys, k)
		}
	}
	return keys
}

func fieldKind(key string) string {
	switch fieldOf(&Config{}, key).Kind() {
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

// Runs expands Compare: the recipes to run, by name; a recipe without Compare is a single run named "".
func Runs(raw []byte, settings []string) (names []string, runs []Config, err error) {
	c, err := ParseRecipe(raw, settings)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Compare) == 0 {
		return []string{""}, []Config{c}, nil
	}
	base, err := unmarshal(raw)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range c.Compare {
		keys := maps.Clone(base)
		delete(keys, "compare")
		name := fmt.Sprint(entry["name"])
		if entry["name"] == nil || name == "" || strings.ContainsAny(name, `/\`) || slices.Contains(names, name) {
			return nil, nil, fmt.Errorf("compare: every entry needs a name of its own, without slashes")
		}
		for k, v := range entry {
			if k != "name" {
				keys[k] = v
			}
		}
		for _, s := range settings {
			if err := set(keys, s); err != nil {
				return nil, nil, err
			}
		}
		run, err := decode(keys)
		if err != nil {
			return nil, nil, fmt.Errorf("compare: %s: %w", name, err)
		}
		names, runs = append(names, name), append(runs, run)
	}
	return names, runs, nil
}
