package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
)

// OrderedMap is a JSON object that keeps the order of its keys, because some templates print them. Its values are nil,
// bool, string, int64, float64, json.Number (for an integer beyond int64), []any and *OrderedMap. The zero value is
// empty and ready to use.
type OrderedMap struct {
	keys   []string
	values map[string]any
}

// Keys returns the keys in order.
func (m *OrderedMap) Keys() []string { return slices.Clone(m.keys) }

// Len returns the number of keys.
func (m *OrderedMap) Len() int { return len(m.keys) }

// Get returns the value of key, and whether there is one.
func (m *OrderedMap) Get(key string) (any, bool) {
	v, ok := m.values[key]
	return v, ok
}

// Set sets the value of key. A new key goes last.
func (m *OrderedMap) Set(key string, value any) {
	if m.values == nil {
		m.values = map[string]any{}
	}
	if _, ok := m.values[key]; !ok {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
}

// with returns a copy in which key has another value.
func (m *OrderedMap) with(key string, value any) *OrderedMap {
	out := &OrderedMap{keys: slices.Clone(m.keys), values: maps.Clone(m.values)}
	out.Set(key, value)
	return out
}

// UnmarshalJSON decodes an object.
func (m *OrderedMap) UnmarshalJSON(data []byte) error {
	o, err := decodeObject(data)
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	*m = *o
	return nil
}

// decodeObject decodes a JSON object.
func decodeObject(data []byte) (*OrderedMap, error) {
	v, err := decodeOrdered(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*OrderedMap)
	if !ok {
		return nil, fmt.Errorf("want a JSON object, have %s", wording.Clip(data, 40))
	}
	return o, nil
}

// MarshalJSON encodes the keys in order.
func (m OrderedMap) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, k := range m.keys {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.values[k])
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

// decodeOrdered decodes one JSON value. Objects become *OrderedMap.
func decodeOrdered(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if !json.Valid(data) {
		var v any
		return nil, json.Unmarshal(data, &v) // says where it is not valid
	}
	return orderedValue(d)
}

// orderedValue reads the next value of a valid JSON text.
func orderedValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return orderedNumber(t), nil
	case json.Delim:
		if t == '[' {
			return orderedList(d)
		}
		m := &OrderedMap{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := orderedValue(d)
			if err != nil {
				return nil, err
			}
			m.Set(key.(string), value)
		}
		_, err = d.Token()
		return m, err
	}
	return t, nil
}

// orderedList reads the rest of a list.
func orderedList(d *json.Decoder) (any, error) {
	list := []any{}
	for d.More() {
		v, err := orderedValue(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

// orderedNumber makes an integer or a float of n, as Python's json does.
func orderedNumber(n json.Number) any {
	if strings.ContainsAny(string(n), ".eE") {
		f, _ := n.Float64() // out of range is infinity, as in Python
		return f
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	return n
}
