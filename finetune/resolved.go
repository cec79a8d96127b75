package finetune

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
)

// RecipeFile is the name of the file in which a run's folder keeps its recipe, and EnvironmentFile that of the file that says
// which program made it, and on what.
const (
	RecipeFile      = "recipe.yaml"
	EnvironmentFile = "environment.json"
)

// setting is a key of a recipe with its final value. The keys of task_options and of lr_scheduler_kwargs are settings of
// their own, with a dot.
type setting struct {
	key, part string
	value     json.RawMessage
}

// resolved returns all keys of a run with their final values, in the order of the recipe's parts and without output_dir. Keys
// without a value are left out.
func (c Config) resolved() ([]setting, error) {
	c.fill()
	r := Recipe{Config: c}
	var all []setting
	parts := reflect.TypeOf(c)
	for i := range parts.NumField() {
		part := parts.Field(i)
		for j := range part.Type.NumField() {
			key := part.Type.Field(j).Tag.Get("yaml")
			f, ok := r.fields()[key]
			if !ok || key == "output_dir" {
				continue
			}
			more, err := c.settingsOf(key, f)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
		if part.Name == "Method" {
			more, err := c.methodSettings()
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
	}
	return all, nil
}

// fill sets the keys whose empty value stands for another one.
func (c *Config) fill() {
	c.Model.Numerics = cmp.Or(c.Model.Numerics, model.HuggingFace)
	c.Train.Optim = cmp.Or(c.Train.Optim, optim.Default)
	c.Memory.GradientCheckpointing = cmp.Or(c.Memory.GradientCheckpointing, "auto")
	c.Task.ShuffleBufferSize = cmp.Or(c.Task.ShuffleBufferSize, shuffleBuffer)
	if c.Method.Adapter != "" && c.Method.Name == "" {
		if m, err := adapter.ReadConfig(c.Method.Adapter); err == nil { // else the run says what is wrong with it
			c.Method.Name = adapter.NameOf(m)
		}
	}
	if c.Model.Path != "" {
		c.Save.BaseModel = c.baseModel()
	}
}

// settingsOf returns the settings that the field of a key stands for.
func (c *Config) settingsOf(key string, f field) ([]setting, error) {
	switch key {
	case "task_options":
		options, err := tasks.Resolve(c.Task.Name, c.Task.options())
		if err != nil {
			return nil, err
		}
		delete(options, "data")
		delete(options, "eval_data")
		if len(c.Task.Columns) > 0 {
			delete(options, "columns") // column_mapping says it
		}
		if c.Task.Streaming {
			delete(options, "eval_split") // the first ones
		}
		return group(key, f.part, options), nil
	case "data", "eval_data":
		if f.Len() == 0 && c.Task.Options[key] != nil {
			return one(key, f.part, portable(c.Task.Options[key]))
		}
	case "streaming", "shuffle_buffer_size":
		if !c.Task.Streaming {
			return nil, nil // no part of the run
		}
	case "lr_scheduler_kwargs":
		kwargs := map[string]json.RawMessage{}
		for k, v := range c.Train.LRSchedulerKwargs {
			raw, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", key, k, err)
			}
			kwargs[k] = raw
		}
		return group(key, f.part, kwargs), nil
	}
	v := plainValue(f.Interface())
	if pathKeys[key] {
		v = portable(v)
	}
	return one(key, f.part, v)
}

// one is a setting, or none where there is no value.
func one(key, part string, v any) ([]setting, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if text := string(raw); text == "null" || text == `""` {
		return nil, nil
	}
	return []setting{{key, part, raw}}, nil
}

// group is a setting for each key of a group, sorted.
func group(key, part string, values map[string]json.RawMessage) []setting {
	var all []setting
	for k, v := range values {
		all = append(all, setting{key + "." + k, part, v})
	}
	slices.SortFunc(all, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return all
}

// methodSettings returns the settings of the adapter method that have an effect. A run that goes on from an adapter has those
// of that adapter, and one of all parameters has none.
func (c *Config) methodSettings() ([]setting, error) {
	if c.Method.Name == "full" || c.Method.Adapter != "" {
		return nil, nil
	}
	m, err := adapter.New(c.Method.Name, c.Method.Settings)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(m)
	values, all := map[string]json.RawMessage{}, []setting(nil)
	if err == nil {
		err = json.Unmarshal(raw, &values)
	}
	if err != nil {
		return nil, fmt.Errorf("method %s: %w", c.Method.Name, err)
	}
	for _, k := range adapter.Keys(c.Method.Name) {
		v, unused := string(values[k]), len(adapter.NoEffect(c.Method.Name, map[string]any{k: nil})) > 0
		if !unused && v != "" && v != "null" && v != `""` {
			all = append(all, setting{k, "Method", values[k]})
		}
	}
	return all, nil
}

// EncodeRecipes returns runs as the file that ParseRecipes reads, without their output folders: all keys with their final values.
// Several runs, or one with a name, are the entries of compare.
func EncodeRecipes(runs ...Recipe) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Every key of the run with its final value; docs/recipe.md says what it means.\n")
	named := len(runs) > 1 || runs[0].Name != ""
	if named {
		b.WriteString("compare:\n")
	}
	for _, r := range runs {
		all, err := r.Config.resolved()
		if err != nil {
			return nil, err
		}
		indent := ""
		if named {
			fmt.Fprintf(&b, "  - name: %s\n", yamlText(r.Name))
			indent = "    "
		}
		writeSettings(&b, indent, all)
	}
	return b.Bytes(), nil
}

// writeSettings writes settings as YAML, those of a group below its name.
func writeSettings(b *bytes.Buffer, indent string, all []setting) {
	inside := ""
	for _, s := range all {
		name, below, grouped := strings.Cut(s.key, ".")
		if grouped && name != inside {
			fmt.Fprintf(b, "%s%s:\n", indent, name)
		}
		inside = ""
		if grouped {
			inside = name
			fmt.Fprintf(b, "%s  %s: ", indent, yamlText(below))
		} else {
			fmt.Fprintf(b, "%s%s: ", indent, s.key)
		}
		writeFlow(b, json.NewDecoder(bytes.NewReader(s.value)))
		b.WriteByte('\n')
	}
}

// writeFlow writes the next value of JSON as YAML in one line, its keys in their order.
func writeFlow(b *bytes.Buffer, d *json.Decoder) {
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		return // what was marshalled is whole
	}
	switch v := token.(type) {
	case json.Delim:
		closing := map[json.Delim]string{'[': "]", '{': "}"}[v]
		b.WriteString(v.String())
		for first := true; d.More(); first = false {
			if !first {
				b.WriteString(", ")
			}
			if v == '{' {
				writeFlow(b, d)
				b.WriteString(": ")
			}
			writeFlow(b, d)
		}
		_, _ = d.Token()
		b.WriteString(closing)
	case json.Number:
		b.WriteString(yamlNumber(v.String()))
	case string:
		b.WriteString(yamlText(v))
	case nil:
		b.WriteString("null")
	default:
		fmt.Fprint(b, v)
	}
}

// yamlNumber writes a number so that YAML reads a number: with a point before an exponent.
func yamlNumber(n string) string {
	mantissa, exponent, ok := strings.Cut(strings.ToLower(n), "e")
	if ok && !strings.Contains(mantissa, ".") {
		return mantissa + ".0e" + exponent
	}
	return n
}

// plainText are the texts that YAML reads as they stand, but for the words in yamlWords.
var plainText = regexp.MustCompile(`^(?:[A-Za-z_]|\.{0,2}/)[\w./-]*$`)

// yamlWords are texts that YAML reads as something else.
var yamlWords = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

// yamlText writes a text, in quotes unless it is plain.
func yamlText(s string) string {
	if plainText.MatchString(s) && !slices.Contains(yamlWords, strings.ToLower(s)) {
		return s
	}
	quoted := strconv.Quote(s)
	if json.Valid([]byte(quoted)) {
		return quoted
	}
	raw, _ := json.Marshal(s) // a string is always valid
	return string(raw)
}
