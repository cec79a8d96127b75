package jinja

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Values are nil (None), bool, int64, float64, json.Number (an integer beyond int64), string, and the types below.
type (
	undefined struct{ name string }
	sequence  struct { // anything that holds items in order
		kind  sequenceKind
		items []any
		group bool   // a pair of groupby, whose items have names
		view  string // of a dictionary's view: keys, values or items
	}
	dict struct {
		keys, values []any
		index        map[any]int
	}
	namespaceObject struct{ dict dict }
	function        struct {
		name string
		call func(s *state, a arguments) any
	}
	slice   struct{ start, stop, step any }
	keyword struct {
		name  string
		value any
	}
	arguments struct {
		pos []any
		kw  []keyword
	}
)

type sequenceKind int

const (
	listKind sequenceKind = iota
	tupleKind
	rangeKind
	viewKind     // a dictionary's view
	iteratorKind // can be read once and has no length
)

func (d *dict) set(s *state, k, v any) {
	s.charge(4 * itemWork)
	key := s.key(k)
	if i, ok := d.index[key]; ok {
		d.values[i] = v
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[key] = len(d.keys)
	d.keys, d.values = append(d.keys, k), append(d.values, v)
}

func (d *dict) get(s *state, k any) (any, bool) {
	if i, ok := d.index[s.key(k)]; ok {
		return d.values[i], true
	}
	return nil, false
}

// value turns a caller's value into a template's.
func (s *state) value(v any) any {
	s.enter()
	defer s.leave()
	switch v := v.(type) {
	case nil, bool, int64, float64, string, json.Number:
		return v
	case int:
		return int64(v)
	case []any:
		s.charge(len(v) * itemWork)
		seq := &sequence{items: make([]any, len(v))}
		for i := range v {
			seq.items[i] = s.value(v[i])
		}
		return seq
	case Object:
		d := &dict{}
		for _, k := range v.Keys() {
			item, _ := v.Get(k)
			d.set(s, k, s.value(item))
		}
		return d
	}
	s.fail("a variable of Go type %T is not a value of templates", v)
	return nil
}

// typeName is Python's name of v's type, for messages.
func (s *state) typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, json.Number:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *sequence:
		return []string{"list", "tuple", "range", "dict view", "generator"}[v.kind]
	case *dict:
		return "dict"
	case *namespaceObject:
		return "Namespace"
	case *undefined:
		return "undefined value (" + v.name + ")"
	case *loopVariable:
		return "loop"
	}
	return "function"
}

// key returns v as the key of a Go map. Values that are equal in Python have the same key; a value that Python cannot
// hash is an error.
func (s *state) key(v any) any {
	type noneKey struct{}
	type undefinedKey struct{}
	type tupleKey string
	switch v := v.(type) {
	case nil:
		return noneKey{}
	case *undefined:
		return undefinedKey{}
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case float64:
		if i := int64(v); float64(i) == v {
			return i
		}
	case string:
		s.charge(len(v))
	case *sequence:
		if v.kind != tupleKind {
			s.fail("unhashable %s", s.typeName(v))
		}
		return tupleKey(s.repr(v))
	case *dict:
		s.fail("unhashable dict")
	}
	return v
}

// number returns v as int64 and as float64 if it is a number. Booleans are numbers.
func number(v any) (i int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, 1, true, true
		}
		return 0, 0, true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

// index returns v as an integer index. what names it in the error.
func (s *state) index(what string, v any) int {
	i, _, isInt, _ := number(v)
	if !isInt {
		s.fail("%s must be an integer, not %s", what, s.typeName(v))
	}
	return int(i)
}

// truth is Python's bool.
func (s *state) truth(v any) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *sequence:
		return v.kind == iteratorKind || len(v.items) > 0
	case *dict:
		return len(v.keys) > 0
	}
	return true
}

// length is Python's len.
func (s *state) length(v any) int {
	switch v := v.(type) {
	case *sequence:
		if v.kind != iteratorKind {
			return len(v.items)
		}
	case *dict:
		return len(v.keys)
	case string:
		s.charge(len(v))
		return utf8.RuneCountInString(v)
	case *undefined:
		return 0
	case *loopVariable:
		return len(v.items)
	}
	s.fail("%s has no length", s.typeName(v))
	return 0
}

// iterate returns the elements of v.
func (s *state) iterate(v any) (items []any) {
	switch v := v.(type) {
	case *sequence:
		if items = v.items; v.kind == iteratorKind {
			v.items = nil
		}
	case *dict:
		items = slices.Clone(v.keys)
	case string:
		s.charge(len(v) * 4 * itemWork)
		for _, r := range v {
			items = append(items, string(r))
		}
		return items
	case *undefined:
	default:
		s.fail("%s is not iterable", s.typeName(v))
	}
	s.charge(len(items))
	return items
}
