// Package jsonvalue answers questions about raw JSON values. What belongs here are checks that several readers of
// configuration files make before they decode a value.
package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// Object decodes an object whose numbers are written again as they were: 1.0 is not 1 for a reader that tells integers from
// other numbers, as transformers does in a config.json.
func Object(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	all := map[string]any{}
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	if all == nil {
		return nil, errors.New("it is null; want an object")
	}
	return all, nil
}

// IsNull reports whether a value is missing or null.
func IsNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// IsOff reports whether a value switches nothing on: null, false, zero or empty.
func IsOff(raw json.RawMessage) bool {
	var b bytes.Buffer
	return json.Compact(&b, raw) == nil &&
		slices.Contains([]string{"null", "false", "0", "0.0", `""`, "[]", "{}"}, b.String())
}

// OneOrMore decodes a value, or a list of values, into list.
func OneOrMore[T any](raw []byte, list *[]T) error {
	var one T
	if json.Unmarshal(raw, &one) == nil && !IsNull(raw) {
		*list = []T{one}
		return nil
	}
	return json.Unmarshal(raw, list)
}
