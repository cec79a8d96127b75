package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// kindOf reads the "type" of a part.
func kindOf(raw json.RawMessage, where string) (string, error) {
	var c struct {
		Type *string `json:"type"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("%s: want an object with a \"type\": %w", where, err)
	}
	if c.Type == nil {
		return "", fmt.Errorf("%s: has no \"type\"", where)
	}
	return *c.Type, nil
}

// decodeObject reads a JSON object into the struct that dst points to. Fields that dst does not have, and required
// fields that are missing, are errors that list them all.
func decodeObject(raw json.RawMessage, where string, dst any, required ...string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("%s: want an object: %w", where, err)
	}
	known := map[string]bool{"type": true}
	for f := range reflect.TypeOf(dst).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
	}
	var unknown, missing []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	for _, name := range required {
		if jsonvalue.IsNull(fields[name]) {
			missing = append(missing, name)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%s: fields %w: %s", where, ErrUnsupported, strings.Join(unknown, ", "))
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: fields missing: %s", where, strings.Join(missing, ", "))
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// registry makes parts of type T from their JSON, by the "type" in it.
type registry[T any] map[string]func(raw json.RawMessage, where string) (T, error)

// build makes the part that raw declares.
func (r registry[T]) build(raw json.RawMessage, where string) (T, error) {
	var none T
	kind, err := kindOf(raw, where)
	if err != nil {
		return none, err
	}
	f, ok := r[kind]
	if !ok {
		return none, fmt.Errorf("%s: type %q is %w; known: %s",
			where, kind, ErrUnsupported, strings.Join(slices.Sorted(maps.Keys(r)), ", "))
	}
	return f(raw, where)
}

// buildList makes the parts in the list of a Sequence.
func buildList[T any](raws []json.RawMessage, where string, build func(json.RawMessage, string) (T, error)) ([]T, error) {
	out := make([]T, 0, len(raws))
	for i, raw := range raws {
		part, err := build(raw, fmt.Sprintf("%s[%d]", where, i))
		if err != nil {
			return nil, err
		}
		out = append(out, part)
	}
	return out, nil
}

// oneRune reads a string that must be a single character.
func oneRune(s, where, field string) (rune, error) {
	rs := []rune(s)
	if len(rs) != 1 {
		return 0, fmt.Errorf("%s: %s is %q, want one character", where, field, s)
	}
	return rs[0], nil
}

// noFields is a part without settings.
type noFields struct{}

// orTrue is the value of a setting that is on by default.
func orTrue(b *bool) bool { return b == nil || *b }

// orFalse is the value of a setting that is off by default.
func orFalse(b *bool) bool { return b != nil && *b }
