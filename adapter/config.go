package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/wording"
)

// Common has the settings that every method has: where it sits. Keys and meanings are PEFT's.
type Common struct {
	// TaskType is PEFT's name of the kind of model, such as CAUSAL_LM; nothing here depends on it.
	TaskType string `json:"task_type"`
	// BaseModel says which model the adapter is for; Save fills in the model's folder where it is empty.
	BaseModel string `json:"base_model_name_or_path"`
	// InferenceMode is written as PEFT writes it, true, and means nothing.
	InferenceMode bool `json:"inference_mode"`
	// TargetModules chooses the linear layers.
	TargetModules TargetModules `json:"target_modules"`
	// ExcludeModules takes layers out again.
	ExcludeModules TargetModules `json:"exclude_modules"`
	// LayersToTransform keeps only layers with these indices in their path; empty keeps all.
	LayersToTransform intList `json:"layers_to_transform"`
	// LayersPattern names the list that LayersToTransform counts in, such as "layers"; empty is the last one in a path.
	LayersPattern stringList `json:"layers_pattern"`
	// ModulesToSave are path suffixes of modules that are trained whole, in a copy, and saved with the adapter.
	ModulesToSave stringList `json:"modules_to_save"`
}

// Settings implements Method for whoever embeds Common.
func (c *Common) Settings() *Common { return c }

func (c *Common) check() error {
	switch {
	case c.TargetModules.empty():
		return errors.New("target_modules is empty; want path suffixes, a regular expression or \"all-linear\"")
	case c.TargetModules.Expr != "" && c.TargetModules.Expr != AllLinear.Expr && len(c.LayersToTransform) > 0:
		return errors.New("layers_to_transform needs target_modules as a list; a regular expression chooses layers itself")
	case len(c.LayersPattern) > 0 && len(c.LayersToTransform) == 0:
		return errors.New("layers_pattern is set, layers_to_transform is not")
	}
	for _, l := range [][]string{c.TargetModules.List, c.ExcludeModules.List, c.ModulesToSave, c.LayersPattern} {
		if slices.Contains(l, "") {
			return errors.New("a list of module names holds an empty one")
		}
	}
	return nil
}

// Parse reads an adapter_config.json, PEFT's or our own. A key that is not known and switches something on is an error;
// all of them are listed.
func Parse(raw []byte) (Method, error) {
	m, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("adapter_config.json: %w", err)
	}
	return m, nil
}

func parse(raw []byte) (Method, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	k, err := choose(all)
	if err != nil {
		return nil, err
	}
	m := k.make()
	known := k.fields(m)
	for _, need := range append([]string{"target_modules"}, k.needs...) {
		if jsonvalue.IsNull(all[need]) {
			return nil, fmt.Errorf("%s is missing", need)
		}
	}
	var bad []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		f, ok := known[key]
		switch {
		case ok:
			if err := f.set(all[key]); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		case key == k.flag || key == "peft_type" || slices.Contains(harmless, key) || slices.Contains(k.ignores, key):
		case !jsonvalue.IsOff(all[key]):
			bad = append(bad, fmt.Sprintf("%s = %s", key, wording.Clip(all[key], 60)))
		}
	}
	if bad != nil {
		return nil, fmt.Errorf("not supported: %s", strings.Join(bad, ", "))
	}
	if t, ok := m.(translator); ok {
		if err := t.fromFile(); err != nil {
			return nil, err
		}
	}
	return m, check(m)
}

// choose finds the method that a file is of, by peft_type and the flags.
func choose(all map[string]json.RawMessage) (kind, error) {
	var peftType string
	if err := json.Unmarshal(all["peft_type"], &peftType); err != nil {
		return kind{}, errors.New("peft_type is missing")
	}
	var found *kind
	var types []string
	for _, name := range Methods() {
		k := methods[name]
		types = append(types, k.peftType)
		flagged := k.flag != "" && (string(all[k.flag]) == "true" || k.valued() && !jsonvalue.IsNull(all[k.flag]) && !jsonvalue.IsOff(all[k.flag]))
		if k.peftType == peftType && (flagged || k.flag == "" && found == nil) {
			found = &k
			if flagged {
				return k, nil
			}
		}
	}
	if found == nil {
		slices.Sort(types)
		return kind{}, fmt.Errorf("peft_type %q is not supported; supported is %s", peftType, strings.Join(slices.Compact(types), ", "))
	}
	return *found, nil
}

// valued says whether the kind's flag is a setting with a value of its own.
func (k kind) valued() bool {
	_, ok := k.fields(k.make())[k.flag]
	return ok
}

// harmless are keys of PEFT's files that change nothing in what an adapter computes, whatever their value.
var harmless = []string{"auto_mapping", "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config"}

// encode makes adapter_config.json.
func encode(m Method) ([]byte, error) {
	k, err := kindOf(m)
	if err != nil {
		return nil, err
	}
	all := map[string]any{"peft_type": k.peftType}
	if k.flag != "" {
		all[k.flag] = true
	}
	for key, f := range k.fields(m) {
		all[key] = f.Interface()
		if s, ok := all[key].(string); ok && s == "" {
			all[key] = nil
		}
	}
	all["inference_mode"] = true
	if t, ok := m.(translator); ok {
		t.toFile(all)
	}
	return json.MarshalIndent(all, "", "  ")
}

// field is a setting of a method.
type field struct{ reflect.Value }

// fields are a method's settings by their keys; m is a pointer to a struct.
func fields(m any) map[string]field {
	all := map[string]field{}
	var visit func(v reflect.Value)
	visit = func(v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Anonymous {
				visit(v.Field(i))
			} else if key := f.Tag.Get("json"); key != "" {
				all[key] = field{v.Field(i)}
			}
		}
	}
	visit(reflect.ValueOf(m).Elem())
	return all
}

// set reads a value; null leaves the default.
func (f field) set(raw json.RawMessage) error {
	if jsonvalue.IsNull(raw) {
		return nil
	}
	v := reflect.New(f.Type())
	err := json.Unmarshal(raw, v.Interface())
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		t := f.Type()
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		return fmt.Errorf("%s is not of its kind; want %s", wording.Clip(raw, 60), kinds[t.Kind()])
	}
	if err == nil {
		f.Set(v.Elem())
	}
	return err
}

var kinds = map[reflect.Kind]string{reflect.Int: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false",
	reflect.String: "a text", reflect.Map: "numbers by name", reflect.Slice: "a list", reflect.Struct: "a text or a list of texts"}
