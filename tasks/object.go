package tasks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kind names the type of a JSON value.
func kind(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// object is a record's fields, by their exact names.
type object map[string]json.RawMessage

func parseObject(raw []byte) (object, error) {
	var o object
	err := json.Unmarshal(raw, &o)
	return o, err
}

// text is a field that must be there.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", fmt.Errorf("field %q is missing; the record has %s", name, o.names())
	}
	if string(raw) == "null" {
		return "", fmt.Errorf("field %q is null, want a string", name)
	}
	return o.optional(name)
}

// optional is a field that may be missing or null.
func (o object) optional(name string) (string, error) {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("field %q is %s, want a string", name, kind(raw))
	}
	return s, nil
}

func (o object) names() string {
	if len(o) == 0 {
		return "no field"
	}
	return strings.Join(slices.Sorted(maps.Keys(o)), ", ")
}

// has says whether all the named fields are there.
func (o object) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return o[name] == nil })
}

// list is a field that must be a list of strings.
func (o object) list(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, fmt.Errorf("field %q is missing; the record has %s", name, o.names())
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, fmt.Errorf("field %q is %s, want a list of strings", name, kind(raw))
	}
	return list, nil
}

// texts are all strings of a field: a string, or those of a list, which dots lead into ("paragraphs.text").
func (o object) texts(path string) ([]string, error) {
	name, rest, deep := strings.Cut(path, ".")
	raw, ok := o[path]
	if ok {
		deep = false
	} else if raw, ok = o[name]; !ok || !deep {
		_, err := o.text(path)
		return nil, err
	}
	items := []json.RawMessage{raw}
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
	}
	var all []string
	for _, item := range items {
		inner := object{path: item}
		if deep {
			var err error
			if inner, err = parseObject(item); err != nil || inner == nil {
				return nil, fmt.Errorf("field %q is %s, want an object with %s", name, kind(item), rest)
			}
		}
		text := func(p string) ([]string, error) { s, err := inner.text(p); return []string{s}, err }
		if deep {
			path, text = rest, inner.texts
		}
		found, err := text(path)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// scalar is a field that must be a string or a number, as text.
func (o object) scalar(name string) (string, error) {
	var n json.Number
	if raw := o[name]; len(raw) > 0 && raw[0] != '"' && json.Unmarshal(raw, &n) == nil && n != "" {
		return n.String(), nil
	}
	return o.text(name)
}
