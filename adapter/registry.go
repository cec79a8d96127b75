package adapter

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
)

// Method is a way of changing linear layers: a pointer to a struct whose JSON is adapter_config.json. It embeds Common.
type Method interface {
	// Settings are the keys that every method has.
	Settings() *Common
	// Adapt makes the adapter of one layer, untrained. rng is the layer's own; it is nil where the values are about to be
	// read from a file, and need not be drawn.
	Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error)
}

// preparer is implemented by a method that depends on the layers it is for: prepare returns the method to use on them.
// Neither changes the other.
type preparer interface {
	prepare(targets []*model.Linear) (Method, error)
}

// translator is implemented by a method whose file has other settings than the method is made with.
type translator interface {
	// toFile changes what is written.
	toFile(all map[string]any)
	// fromFile changes what has been read.
	fromFile() error
}

// checker is implemented by a method with settings that may be wrong; the error names the key.
type checker interface{ check() error }

// kind is a registered method.
type kind struct {
	peftType string        // peft_type in the file
	flag     string        // the key that is on for this method among those with the same peft_type, or ""
	needs    []string      // further keys that a file must have
	without  []string      // settings of Common that PEFT does not have for this peft_type
	ignores  []string      // keys that PEFT writes and does not heed for this peft_type
	make     func() Method // with the default settings
}

var (
	methods = map[string]kind{}
	order   []string // the names as they were registered
)

// register makes a method known by its name; its file's init calls it.
func register(name string, k kind) {
	if _, ok := methods[name]; ok {
		panic("adapter: " + name + " is registered twice")
	}
	methods[name], order = k, append(order, name)
}

// Methods lists the registered methods.
func Methods() []string { return slices.Sorted(maps.Keys(methods)) }

// Keys lists the settings of all methods, as a recipe may have them.
func Keys() []string {
	all := map[string]bool{}
	for _, k := range methods {
		for key := range k.fields(k.make()) {
			all[key] = !slices.Contains(ownKeys, key)
		}
	}
	maps.DeleteFunc(all, func(_ string, ok bool) bool { return !ok })
	return slices.Sorted(maps.Keys(all))
}

// ownKeys are not for users to set.
var ownKeys = []string{"base_model_name_or_path", "inference_mode", "converted_from"}

// New returns a method by its name, with settings by their PEFT keys over the defaults: r 8, lora_alpha 8, every linear
// layer but the LM head, MoRA type 6.
func New(name string, settings map[string]any) (Method, error) {
	k, ok := methods[name]
	if !ok {
		return nil, fmt.Errorf("adapter: no method %q%s", name, suggest.Hint(name, Methods()))
	}
	m := k.make()
	known := k.fields(m)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		f, ok := known[key]
		if !ok || slices.Contains(ownKeys, key) {
			return nil, fmt.Errorf("adapter: %s is no setting of %s%s", key, name, suggest.Hint(key, slices.Collect(maps.Keys(known))))
		}
		raw, err := json.Marshal(settings[key])
		if err == nil {
			err = f.set(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("adapter: %s: %w", key, err)
		}
	}
	if err := check(m); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return m, nil
}

// fields are the settings of the kind's method by their keys.
func (k kind) fields(m Method) map[string]field {
	all := fields(m)
	for _, key := range k.without {
		delete(all, key)
	}
	return all
}

func check(m Method) error {
	k, err := kindOf(m)
	if err != nil {
		return err
	}
	all := fields(m)
	for _, key := range k.without {
		if !all[key].IsZero() {
			return fmt.Errorf("%s is set; PEFT has no such setting for %s", key, k.peftType)
		}
	}
	if err := m.Settings().check(); err != nil {
		return err
	}
	if c, ok := m.(checker); ok {
		return c.check()
	}
	return nil
}

// complete returns a copy of m in which every setting that has its zero value has its default. It is the one place where
// a literal's defaults are filled in.
func complete(m Method) (Method, error) {
	k, err := kindOf(m)
	if err != nil {
		return nil, err
	}
	from := reflect.ValueOf(m)
	if from.IsNil() {
		return nil, fmt.Errorf("the method is a nil %T", m)
	}
	own := reflect.New(from.Type().Elem())
	own.Elem().Set(from.Elem())
	defaults := fields(k.make())
	for key, f := range fields(own.Interface()) {
		if f.IsZero() {
			f.Set(defaults[key].Value)
		}
	}
	return own.Interface().(Method), nil
}

// valueOf is what p points to, or the zero value for nil.
func valueOf[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// kindOf finds how a method is registered: as the name that was registered first for its type.
func kindOf(m Method) (kind, error) {
	for _, name := range order {
		if k := methods[name]; reflect.TypeOf(k.make()) == reflect.TypeOf(m) {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("%T is no registered method; those are %s", m, strings.Join(Methods(), ", "))
}
