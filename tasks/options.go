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
	typ := reflect.TypeOf(t)
	if typ.Kind() != reflect.Pointer || typ.Elem().Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for _, f := range reflect.VisibleFields(typ.Elem()) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "" && key != "-" && f.IsExported() {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return names
}
