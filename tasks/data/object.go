package data

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// KindOf names the type of a JSON value.
func KindOf(raw []byte) string {
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

// Object is a record's fields, by their exact names.
type Object map[string]json.RawMessage

func ParseObject(raw []byte) (Object, error) {
	var o Object
	err := json.Unmarshal(raw, &o)
	return o, err
}

// Text is a field that must be there.
func (o Object) Text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", fmt.Errorf("field %q is missing; the record has %s", name, o.Names())
	}
	if string(raw) == "null" {
		return "", fmt.Errorf("field %q is null, want a string", name)
	}
	return o.Optional(name)
}

// Optional is a field that may be missing or null.
func (o Object) Optional(name string) (string, error) {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("field %q is %s, want a string", name, KindOf(raw))
	}
	return s, nil
}

func (o Object) Names() string {
	if len(o) == 0 {
		return "no field"
	}
	return strings.Join(slices.Sorted(maps.Keys(o)), ", ")
}

// Has says whether all the named fields are there.
func (o Object) Has(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return o[name] == nil })
}

// List is a field that must be a list of strings.
func (o Object) List(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, fmt.Errorf("field %q is missing; the record has %s", name, o.Names())
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, fmt.Errorf("field %q is %s, want a list of strings", name, KindOf(raw))
	}
	return list, nil
}

// Texts are all strings of a field: a string, or those of a list, which dots lead into ("paragraphs.text").
func (o Object) Texts(path string) ([]string, error) {
	name, rest, deep := strings.Cut(path, ".")
	raw, ok := o[path]
	if ok {
		deep = false
	} else if raw, ok = o[name]; !ok || !deep {
		_, err := o.Text(path)
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
		inner := Object{path: item}
		if deep {
			var err error
			if inner, err = ParseObject(item); err != nil || inner == nil {
				return nil, fmt.Errorf("field %q is %s, want an object with %s", name, KindOf(item), rest)
			}
		}
		text := func(p string) ([]string, error) { s, err := inner.Text(p); return []string{s}, err }
		if deep {
			path, text = rest, inner.Texts
		}
		found, err := text(path)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Scalar is a field that must be a string or a number, as text.
func (o Object) Scalar(name string) (string, error) {
	var n json.Number
	if raw := o[name]; len(raw) > 0 && raw[0] != '"' && json.Unmarshal(raw, &n) == nil && n != "" {
		return n.String(), nil
	}
	return o.Text(name)
}

// Numbers is a field that is a number or a list of them.
func (o Object) Numbers(name string) ([]float64, error) {
	labels, err := o.Labels(name)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(labels))
	for i, l := range labels {
		if values[i], err = strconv.ParseFloat(strings.TrimSpace(l), 64); err != nil || values[i]-values[i] != 0 {
			return nil, fmt.Errorf("field %q is %q, want a number", name, l)
		}
	}
	return values, nil
}

// IsList says whether a field is a list.
func (o Object) IsList(name string) bool { return strings.HasPrefix(string(o[name]), "[") }

// Labels is a field that is a label or a list of them: strings, numbers or booleans, as text.
func (o Object) Labels(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, fmt.Errorf("field %q is missing; the record has %s", name, o.Names())
	}
	list := []json.RawMessage{raw}
	if o.IsList(name) {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
	}
	labels := make([]string, len(list))
	for i, l := range list {
		switch l[0] {
		case '"':
			if err := json.Unmarshal(l, &labels[i]); err != nil {
				return nil, fmt.Errorf("field %q: %w", name, err)
			}
			if labels[i] == "" {
				return nil, fmt.Errorf("field %q is empty, want a label", name)
			}
		case '{', '[', 'n':
			return nil, fmt.Errorf("field %q has %s, want a label", name, KindOf(l))
		default:
			labels[i] = string(l)
		}
	}
	return labels, nil
}
