package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks/data"
)

// decodeOptions sets the fields of a task by their JSON keys.
func decodeOptions(t Task, options map[string]any) error {
	known := optionNames(t)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("option %q is not known%s", name, suggest.Hint(name, known))
		}
		b, err := json.Marshal(map[string]any{name: options[name]})
		if err == nil {
			err = json.Unmarshal(b, t)
		}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			err = fmt.Errorf("got a %s, want %s", wrong.Value, wrong.Type)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", name, err)
		}
	}
	return nil
}

// optionNames are the JSON keys of a task's struct, with those of embedded structs.
func optionNames(t Task) []string {
	var names []string
	_ = eachOption(t, func(_ reflect.StructField, key string) error { // the function returns no error
		names = append(names, key)
		return nil
	})
	slices.Sort(names)
	return names
}

// eachOption calls f with the fields of a task's struct that are options, and their JSON keys, until it returns an error.
func eachOption(t Task, f func(field reflect.StructField, key string) error) error {
	typ := reflect.TypeOf(t)
	if typ.Kind() != reflect.Pointer || typ.Elem().Kind() != reflect.Struct {
		return nil
	}
	for _, field := range reflect.VisibleFields(typ.Elem()) {
		if key, _, _ := strings.Cut(field.Tag.Get("json"), ","); key != "" && key != "-" && field.IsExported() {
			if err := f(field, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Resolve returns the options of a task with their final values, in JSON: those that are given, and the defaults of the others.
// Options without a value are left out.
func Resolve(name string, options map[string]any) (map[string]json.RawMessage, error) {
	t, err := newTask(name, options)
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	err = eachOption(t, func(f reflect.StructField, key string) error {
		v := reflect.ValueOf(t).Elem().FieldByIndex(f.Index).Interface()
		if s, ok := v.(data.Sources); ok {
			v = s.Plain()
		}
		raw, err := json.Marshal(v)
		if text := string(raw); err == nil && text != "null" && text != `""` {
			all[key] = raw
		}
		return err
	})
	return all, err
}

// AnswerOptions lists the options of a task that change what is held out and how it is answered and scored, but nothing that is
// trained on as long as the training rows stay: those whose field has the tag affects:"answers". It is nil if there is no
// such task.
func AnswerOptions(name string) []string {
	create, ok := registry[name]
	if !ok {
		return nil
	}
	var names []string
	_ = eachOption(create(), func(f reflect.StructField, key string) error { // the function returns no error
		if f.Tag.Get("affects") == "answers" {
			names = append(names, key)
		}
		return nil
	})
	return names
}
