package adapter

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// Registration says how a method is made and what its files look like.
type Registration struct {
	// New returns the method with its default settings, as a pointer to a struct that embeds Common. A literal's fields that
	// are zero take the values of these defaults, so a setting that may be zero or false, and is not so by default, is
	// a pointer, such as VeRA's SaveProjection.
	New func() Method
	// PEFTType is peft_type in the file.
	PEFTType string
	// Flag is the key that tells this method from others with its PEFTType: it is true in the method's files, or it is a
	// setting of the method with a value. One method of each PEFTType may do without.
	Flag string
	// Needs are the keys, besides target_modules, that a file must have.
	Needs []string
	// Without are the settings of Common that PEFT does not have for this PEFTType.
	Without []string
	// Ignores are the keys that PEFT writes for this PEFTType and does not use.
	Ignores []string
	// PEFTTargets are the modules of PEFTDefault by model_type, as names with blanks between; those after a bar are
	// feedforward_modules, too. nil has those of LoRA.
	PEFTTargets map[string]string
	// NoEffect are settings that the method takes and that change nothing in it.
	NoEffect []string
	// AtRank returns the settings, by key, of an adapter of about rank r; nil sets r alone where the method has that key.
	AtRank func(r int) map[string]any
	// LearningRate returns the rates to search at rank r; nil has the MoRA paper's for LoRA and its kin.
	LearningRate func(r int) LRRange
}

var (
	methods = map[string]Registration{}
	order   []string // the names as they were registered
)

// Register makes a method known by a name; the init of the method's file calls it. Names may share a type, as variants
// of one method with other defaults: a literal of the type, and a file, are of the name that was registered first.
//
// Register panics where the name is taken, where files could not tell the method from another, and where a method of the
// struct nearly implements one of the optional interfaces of this package.
func Register(name string, r Registration) {
	if err := r.validate(name); err != nil {
		panic("adapter: register " + name + ": " + err.Error())
	}
	methods[name], order = r, append(order, name)
}

// validate says why the registration cannot be.
func (r Registration) validate(name string) error {
	if _, ok := methods[name]; ok || name == "" || name == "full" {
		return fmt.Errorf("the name %q is taken; want a new one", name)
	}
	if r.PEFTType == "" || r.New == nil {
		return fmt.Errorf("PEFTType or New is missing")
	}
	m := r.New()
	t := reflect.TypeOf(m)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || reflect.ValueOf(m).IsNil() {
		return fmt.Errorf("New returns %T; want a pointer to a struct", m)
	}
	settings := fields(m)
	if _, ok := settings["target_modules"]; !ok {
		return fmt.Errorf("%v does not embed Common", t.Elem())
	}
	if err := checkOptional(t, methodInterfaces); err != nil {
		return err
	}
	variant := false
	for _, other := range order {
		o := methods[other]
		same := reflect.TypeOf(o.New()) == t
		if !same && o.PEFTType == r.PEFTType && o.Flag == r.Flag {
			return fmt.Errorf("files with peft_type %s and the flag %q are %s's already", r.PEFTType, r.Flag, other)
		}
		variant = variant || same
	}
	for key, f := range settings {
		if !variant && f.Kind() == reflect.Bool && f.Bool() {
			return fmt.Errorf("%s is true by default, so that a literal cannot say false; want a *bool", key)
		}
	}
	return nil
}

// Methods lists the names of the registered methods in alphabetical order.
func Methods() []string { return slices.Sorted(maps.Keys(methods)) }

// Keys lists the keys of the settings that users may set, of the named methods or, where none is named, of all.
func Keys(names ...string) []string {
	if len(names) == 0 {
		names = order
	}
	var all []string
	for _, name := range names {
		if r, ok := methods[name]; ok {
			all = slices.AppendSeq(all, maps.Keys(r.fields(r.New())))
		}
	}
	all = slices.DeleteFunc(all, func(key string) bool { return slices.Contains(ownKeys, key) })
	slices.Sort(all)
	return slices.Compact(all)
}

// ownKeys are settings that users do not set.
var ownKeys = []string{"base_model_name_or_path", "inference_mode", "converted_from"}

// AtRank returns the settings that give the named method an adapter of about rank r, for New; they are empty where a
// method has no rank.
func AtRank(name string, r int) (map[string]any, error) {
	known, ok := methods[name]
	switch {
	case !ok:
		return nil, unknownMethod(name)
	case known.AtRank != nil:
		return known.AtRank(r), nil
	case slices.Contains(Keys(name), "r"):
		return map[string]any{"r": r}, nil
	}
	return map[string]any{}, nil
}

func unknownMethod(name string) error {
	return ofKind(ErrUnknownMethod, fmt.Errorf("adapter: no method %q%s", name, suggest.Hint(name, Methods())))
}

// MethodName is how people call a method with its settings, such as "rsLoRA" or "MoRA, rotation".
func MethodName(m Method) string {
	if n, ok := m.(MethodNamer); ok {
		return n.MethodName()
	}
	name := fmt.Sprintf("%T", m)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// NoEffect lists which of the settings the named method takes without effect, so that a program can say so.
func NoEffect(name string, settings map[string]any) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(settings)), func(key string) bool { return !slices.Contains(methods[name].NoEffect, key) })
}

// NameOf is the name under which a method is registered: of several for its type, the one that its settings fit, such as
// rslora; "" if its type is none.
func NameOf(m Method) string {
	found := ""
	for _, name := range order {
		made := methods[name].New()
		if reflect.TypeOf(made) != reflect.TypeOf(m) {
			continue
		}
		if MethodName(made) == MethodName(m) {
			return name
		}
		if found == "" {
			found = name
		}
	}
	return found
}

// New returns a method by its name. settings has other values than the defaults, by their PEFT keys; the defaults are
// r 8, lora_alpha 8, every linear layer but the head's, and mora_type 6. The error names the key that is wrong, and the
// nearest one where there is no such key.
func New(name string, settings map[string]any) (Method, error) {
	r, ok := methods[name]
	if !ok {
		return nil, unknownMethod(name)
	}
	m := r.New()
	known := r.fields(m)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		f, ok := known[key]
		if !ok || slices.Contains(ownKeys, key) {
			return nil, fmt.Errorf("adapter: %s is no setting of %s%s", key, name, suggest.Hint(key, Keys(name)))
		}
		raw, err := json.Marshal(settings[key])
		if err == nil {
			err = f.set(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("adapter: %s: %w", key, err)
		}
	}
	if err := validateMethod(m); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return m, nil
}

// fields are the settings of the registration's method by their keys.
func (r Registration) fields(m Method) map[string]field {
	all := fields(m)
	for _, key := range r.Without {
		delete(all, key)
	}
	return all
}

// validateMethod says which setting of a complete method cannot be.
func validateMethod(m Method) error {
	r, err := registrationOf(m)
	if err != nil {
		return err
	}
	all := fields(m)
	for _, key := range r.Without {
		if !all[key].IsZero() {
			return ofKind(ErrUnsupported, fmt.Errorf("%s is set; PEFT has no such setting for %s", key, r.PEFTType))
		}
	}
	if err := m.Settings().validate(len(parametersOf(m)) > 0); err != nil {
		return err
	}
	if v, ok := m.(Validator); ok {
		return v.Validate()
	}
	return nil
}

// complete returns a copy of m in which every setting that has its zero value has its default. It is the one place where
// a literal's defaults are filled in.
func complete(m Method) (Method, error) {
	r, err := registrationOf(m)
	if err != nil {
		return nil, err
	}
	if reflect.ValueOf(m).IsNil() {
		return nil, fmt.Errorf("the method is a nil %T", m)
	}
	own, defaults := clone(m), fields(r.New())
	for key, f := range fields(own) {
		if f.IsZero() {
			f.Set(defaults[key].Value)
		}
	}
	return own, nil
}

// registrationOf finds how a method is registered: as the name that was registered first for its type.
func registrationOf(m Method) (Registration, error) {
	for _, name := range order {
		if r := methods[name]; reflect.TypeOf(r.New()) == reflect.TypeOf(m) {
			return r, nil
		}
	}
	return Registration{}, ofKind(ErrUnknownMethod, fmt.Errorf("%T is no registered method; those are %s", m, strings.Join(Methods(), ", ")))
}

// valueOf is what p points to, or the zero value for nil.
func valueOf[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
