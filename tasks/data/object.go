package data

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// Object is the fields of a record, by their exact names. Its methods read a field as a type; their errors say which
// field is wrong and how.
type Object map[string]json.RawMessage

// ParseObject parses the JSON text of an object.
func ParseObject(raw []byte) (Object, error) {
	var o Object
	err := json.Unmarshal(raw, &o)
	return o, err
}

// Names lists the names of the fields, for messages.
func (o Object) Names() string {
	if len(o) == 0 {
		return "no field"
	}
	return strings.Join(slices.Sorted(maps.Keys(o)), ", ")
}

// Has reports whether the object has all of the named fields.
func (o Object) Has(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return o[name] == nil })
}

// IsList reports whether a field is a list.
func (o Object) IsList(name string) bool { return strings.HasPrefix(string(o[name]), "[") }

// required is the JSON text of a field, or an error where the object lacks it.
func (o Object) required(name string) (json.RawMessage, error) {
	raw, ok := o[name]
	if !ok {
		hint := ""
		if near := suggest.Nearest(name, slices.Collect(maps.Keys(o))); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, fmt.Errorf("field %q is missing; the record has %s%s", name, o.Names(), hint)
	}
	return raw, nil
}

// Text is a field that must be a string.
func (o Object) Text(name string) (string, error) {
	raw, err := o.required(name)
	if err != nil {
		return "", err
	}
	if string(raw) == "null" {
		return "", fmt.Errorf("field %q is null, want a string", name)
	}
	return o.Optional(name)
}

// Optional is a field that is a string, or "" where it is missing or null.
func (o Object) Optional(name string) (string, error) {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("field %q is %s, want a string", name, TypeName(raw))
	}
	return s, nil
}

// List is a field that must be a list of strings.
func (o Object) List(name string) ([]string, error) {
	raw, err := o.required(name)
	if err != nil {
		return nil, err
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, fmt.Errorf("field %q is %s, want a list of strings", name, TypeName(raw))
	}
	return list, nil
}

// Object is a field that must be an object.
func (o Object) Object(name string) (Object, error) {
	raw, err := o.required(name)
	if err != nil {
		return nil, err
	}
	inner, err := ParseObject(raw)
	if err != nil || inner == nil {
		return nil, fmt.Errorf("field %q is %s, want an object", name, TypeName(raw))
	}
	return inner, nil
}

// Scalar is a field that must be a string or a number, as text.
func (o Object) Scalar(name string) (string, error) {
	var n json.Number
	if raw := o[name]; len(raw) > 0 && raw[0] != '"' && json.Unmarshal(raw, &n) == nil && n != "" {
		return n.String(), nil
	}
	return o.Text(name)
}

// Labels is a field that must be a label or a list of labels. A label is a string, a number or a boolean, here as text.
func (o Object) Labels(name string) ([]string, error) {
	if _, err := o.required(name); err != nil {
		return nil, err
	}
	list, err := o.items(name)
	if err != nil {
		return nil, err
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
			return nil, fmt.Errorf("field %q has %s, want a label", name, TypeName(l))
		default:
			labels[i] = string(l)
		}
	}
	return labels, nil
}

// Numbers is a field that must be a number or a list of numbers; a string that holds a number will do.
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

// Texts are all strings in a field: a string, or the strings of a list. A dot leads into objects: "paragraphs.text" is
// the field text of each of the paragraphs.
func (o Object) Texts(path string) ([]string, error) {
	if _, ok := o[path]; ok {
		return o.texts(path)
	}
	name, rest, nested := strings.Cut(path, ".")
	if !nested || o[name] == nil {
		_, err := o.required(path)
		return nil, err
	}
	items, err := o.items(name)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, item := range items {
		inner, err := ParseObject(item)
		if err != nil || inner == nil {
			return nil, fmt.Errorf("field %q is %s, want an object with %s", name, TypeName(item), rest)
		}
		texts, err := inner.Texts(rest)
		if err != nil {
			return nil, err
		}
		all = append(all, texts...)
	}
	return all, nil
}

// texts are the strings of a field by its plain name.
func (o Object) texts(name string) ([]string, error) {
	items, err := o.items(name)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(items))
	for i, item := range items {
		if all[i], err = (Object{name: item}).Text(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// items are the elements of a field that is a list, or else the field itself.
func (o Object) items(name string) ([]json.RawMessage, error) {
	if !o.IsList(name) {
		return []json.RawMessage{o[name]}, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(o[name], &items); err != nil {
		return nil, fmt.Errorf("field %q: %w", name, err)
	}
	return items, nil
}

// TypeName names the type of a JSON value, with its article, for messages.
func TypeName(raw []byte) string {
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
