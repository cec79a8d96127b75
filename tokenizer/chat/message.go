package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// OrderedMap is a JSON object that keeps the order of its keys, which templates that print one depend on.
// Values are nil, bool, string, int64, float64, json.Number (an integer beyond int64), []any and *OrderedMap.
// The zero value is empty and ready to use.
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

// Set sets key to value; a new key goes last.
func (m *OrderedMap) Set(key string, value any) {
	if m.values == nil {
		m.values = map[string]any{}
	}
	if _, ok := m.values[key]; !ok {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
}

// UnmarshalJSON decodes an object.
func (m *OrderedMap) UnmarshalJSON(data []byte) error {
	v, err := decodeOrdered(data)
	if err != nil {
		return err
	}
	o, ok := v.(*OrderedMap)
	if !ok {
		return fmt.Errorf("tokenizer: want a JSON object, have %.40s", data)
	}
	*m = *o
	return nil
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

// decodeOrdered decodes one JSON value; objects become *OrderedMap.
func decodeOrdered(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if !json.Valid(data) {
		var v any
		err := json.Unmarshal(data, &v)
		return nil, fmt.Errorf("tokenizer: %w", err)
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

// orderedNumber tells integers from floats as Python's json does.
func orderedNumber(n json.Number) any {
	if strings.ContainsAny(string(n), ".eE") {
		f, _ := n.Float64() // out of range: infinity, as in Python
		return f
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	return n
}

// Message is one turn of a conversation.
type Message struct {
	Role    string
	Content string          // the text; of a list of parts, the text parts joined
	Parts   json.RawMessage // content that is no string (a list of parts, null); a template sees it instead of Content
	Extra   OrderedMap      // other keys: tool_calls, name, reasoning_content …

	keys []string // all keys, in the order they were decoded
}

// UnmarshalJSON decodes a message and keeps the order of its keys.
func (m *Message) UnmarshalJSON(data []byte) error {
	var all OrderedMap
	if err := all.UnmarshalJSON(data); err != nil {
		return fmt.Errorf("tokenizer: a message: %w", err)
	}
	*m = Message{keys: all.keys}
	for _, k := range all.keys {
		v := all.values[k]
		switch s, ok := v.(string); {
		case k == "role" && ok:
			m.Role = s
		case k == "content" && ok:
			m.Content = s
		case k == "content":
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			m.Parts, m.Content = raw, partsText(v)
		default:
			m.Extra.Set(k, v)
		}
	}
	return nil
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (m Message) MarshalJSON() ([]byte, error) {
	all, err := m.object()
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// object is the message as templates see it.
func (m *Message) object() (*OrderedMap, error) {
	all := &OrderedMap{}
	set := func(k string) error {
		switch v, ok := m.Extra.Get(k); {
		case ok:
			all.Set(k, v)
		case k == "role":
			all.Set(k, m.Role)
		case k == "content" && m.Parts != nil:
			parts, err := decodeOrdered(m.Parts)
			if err != nil {
				return fmt.Errorf("tokenizer: the content of a message: %w", err)
			}
			all.Set(k, parts)
		case k == "content":
			all.Set(k, m.Content)
		}
		return nil
	}
	keys := slices.Clone(m.keys)
	if m.keys == nil || m.Role != "" {
		keys = append(keys, "role")
	}
	if m.keys == nil || m.Content != "" || m.Parts != nil {
		keys = append(keys, "content")
	}
	for _, k := range append(keys, m.Extra.keys...) {
		if err := set(k); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// partsText joins the text parts of a content list.
func partsText(v any) string {
	list, _ := v.([]any)
	var b strings.Builder
	for _, part := range list {
		switch p := part.(type) {
		case string:
			b.WriteString(p)
		case *OrderedMap:
			s, _ := p.values["text"].(string)
			b.WriteString(s)
		}
	}
	return b.String()
}
