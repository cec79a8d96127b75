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
	// TaskType is PEFT's name for the kind of model, such as CAUSAL_LM. Nothing here depends on it.
	TaskType string `json:"task_type"`
	// BaseModel says which model the adapter is for. Where it is empty, Save writes the model's folder.
	BaseModel string `json:"base_model_name_or_path"`
	// InferenceMode means nothing here. It is written as PEFT writes it, as true.
	InferenceMode bool `json:"inference_mode"`
	// TargetModules chooses the linear layers; the zero value is the method's default, which is AllLinear for most, and
	// "peft-default" is PEFT's own by model_type.
	TargetModules TargetModules `json:"target_modules"`
	// ExcludeModules takes layers out again.
	ExcludeModules TargetModules `json:"exclude_modules"`
	// LayersToTransform keeps only layers with these indices in their path; empty keeps all.
	LayersToTransform intList `json:"layers_to_transform"`
	// LayersPattern names the list that LayersToTransform counts in, such as "layers"; empty is the first list in a path.
	LayersPattern stringList `json:"layers_pattern"`
	// ModulesToSave are the ends of the paths of modules that are trained whole, in a copy, and saved with the adapter. As in
	// PEFT an end need not be whole components: "norm" is every norm, input_layernorm too.
	ModulesToSave stringList `json:"modules_to_save"`
	// TrainableTokenIndices are tokens whose rows of the embeddings are trained, and saved with the adapter.
	TrainableTokenIndices TokenIndices `json:"trainable_token_indices"`
}

// Settings implements Method for a struct that embeds Common.
func (c *Common) Settings() *Common { return c }

// validate says which of the settings cannot be; parameters says that others than these choose something.
func (c *Common) validate(parameters bool) error {
	switch {
	case c.TargetModules.empty() && !parameters:
		return errors.New("target_modules is empty; want path suffixes, a regular expression or \"all-linear\"")
	case c.TargetModules.regular() && len(c.LayersToTransform) > 0:
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

// Parse reads an adapter_config.json that PEFT or this package wrote. A key that is not known and switches something on is
// an error, which lists all such keys.
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
	r, err := registrationFor(all)
	if err != nil {
		return nil, err
	}
	m := r.New()
	for _, need := range append([]string{"target_modules"}, r.Needs...) {
		if parameters := all["target_parameters"]; need == "target_modules" && len(parameters) > 0 && !jsonvalue.IsOff(parameters) {
			if jsonvalue.IsNull(all[need]) {
				all[need] = json.RawMessage("[]")
			}
			continue
		}
		if jsonvalue.IsNull(all[need]) {
			return nil, fmt.Errorf("%s is missing", need)
		}
	}
	if err := r.read(m, all); err != nil {
		return nil, err
	}
	if t, ok := m.(ConfigTranslator); ok {
		if err := t.FromFile(); err != nil {
			return nil, err
		}
	}
	return m, validateMethod(m)
}

// read sets the method's settings to a file's values.
func (r Registration) read(m Method, all map[string]json.RawMessage) error {
	known := r.fields(m)
	var bad []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		f, ok := known[key]
		switch {
		case ok:
			if err := f.set(all[key]); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		case key == r.Flag || key == "peft_type" || slices.Contains(harmless, key) || slices.Contains(r.Ignores, key):
		case !jsonvalue.IsOff(all[key]):
			bad = append(bad, fmt.Sprintf("%s = %s", key, wording.Clip(all[key], 60)))
		}
	}
	if bad != nil {
		return ofKind(ErrUnsupported, fmt.Errorf("not supported: %s", strings.Join(bad, ", ")))
	}
	return nil
}

// registrationFor finds the method that a file is of, by peft_type and the flags.
func registrationFor(all map[string]json.RawMessage) (Registration, error) {
	var peftType string
	if err := json.Unmarshal(all["peft_type"], &peftType); err != nil {
		return Registration{}, errors.New("peft_type is missing")
	}
	var plain *Registration
	var types []string
	for _, name := range order {
		r := methods[name]
		types = append(types, r.PEFTType)
		switch {
		case r.PEFTType != peftType:
		case r.Flag == "" && plain == nil:
			plain = &r
		case r.Flag != "" && r.flagged(all[r.Flag]):
			return r, nil
		}
	}
	if plain == nil {
		slices.Sort(types)
		return Registration{}, ofKind(ErrUnsupported,
			fmt.Errorf("peft_type %q is not supported; supported is %s", peftType, strings.Join(slices.Compact(types), ", ")))
	}
	return *plain, nil
}

// flagged says whether the value of the registration's flag chooses it: true does or, where the flag is a setting with a
// value of its own, every value that switches something on.
func (r Registration) flagged(raw json.RawMessage) bool {
	_, setting := r.fields(r.New())[r.Flag]
	return string(raw) == "true" || setting && !jsonvalue.IsNull(raw) && !jsonvalue.IsOff(raw)
}

// harmless are keys of PEFT's files that change nothing in what an adapter computes, whatever their value.
// Those that end in _config say how an adapter started; where that changed the base, init_lora_weights is refused.
var harmless = []string{"auto_mapping", "corda_config", "eva_config", "loftq_config", "lora_ga_config", "megatron_core", "peft_version",
	"qalora_group_size", "revision", "runtime_config"}

// later are keys that earlier versions of PEFT do not know, and stop at: they are written only where they are set.
var later = []string{"exclude_modules", "lora_bias", "target_parameters", "trainable_token_indices"}

// encode makes adapter_config.json.
func encode(m Method) ([]byte, error) {
	r, err := registrationOf(m)
	if err != nil {
		return nil, err
	}
	all := map[string]any{"peft_type": r.PEFTType}
	if r.Flag != "" {
		all[r.Flag] = true
	}
	for key, f := range r.fields(m) {
		all[key] = f.Interface()
		if s, ok := all[key].(string); ok && s == "" {
			all[key] = nil
		}
	}
	all["inference_mode"] = true
	for _, key := range later {
		if f, ok := all[key]; ok && reflect.ValueOf(f).IsZero() {
			delete(all, key)
		}
	}
	if t, ok := m.(ConfigTranslator); ok {
		t.ToFile(all)
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
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && f.Type.Kind() == reflect.Struct:
				visit(v.Field(i))
			case f.IsExported() && key != "" && key != "-":
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
		return fmt.Errorf("%s is not of its kind; want %s", wording.Clip(raw, 60), f.wants())
	}
	if err == nil {
		f.Set(v.Elem())
	}
	return err
}

// wants says what the field's JSON is.
func (f field) wants() string {
	if w, ok := f.Interface().(interface{ wants() string }); ok {
		return w.wants()
	}
	t := f.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return kinds[t.Kind()]
}

var kinds = map[reflect.Kind]string{reflect.Int: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false",
	reflect.String: "a text", reflect.Map: "numbers by name", reflect.Slice: "a list", reflect.Struct: "a text or a list of texts"}
