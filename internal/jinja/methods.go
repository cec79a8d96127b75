package jinja

import "slices"

// attribute returns what Python's getattr finds on a value in the sandbox. Methods that would change a list or a
// dictionary are undefined there.
func (s *state) attribute(obj any, name string) (any, bool) {
	method := func(call func(s *state, a arguments) any) (any, bool) {
		return &function{name, call}, true
	}
	switch v := obj.(type) {
	case string:
		if f, ok := stringMethods[name]; ok {
			return method(func(s *state, a arguments) any {
				s.charge(len(v))
				return f(s, v, a)
			})
		}
	case *dict:
		if slices.Contains([]string{"clear", "pop", "popitem", "setdefault", "update", "fromkeys"}, name) {
			return &undefined{"dict." + name}, true
		}
		if f, ok := dictMethods[name]; ok {
			return method(func(s *state, a arguments) any { return f(s, v, a) })
		}
	case *sequence:
		if i := slices.Index([]string{"grouper", "list"}, name); v.group && i >= 0 {
			return v.items[i], true
		}
		if f, ok := sequenceMethods[name]; ok && v.kind <= rangeKind && (name != "copy" || v.kind == listKind) {
			return method(func(s *state, a arguments) any { return f(s, v, a) })
		}
	case *namespaceObject:
		return v.dict.get(s, name)
	case *loopVariable:
		return v.attribute(s, name)
	case *cycler:
		return v.attribute(name)
	case *function:
		if name == "name" {
			return v.name, true
		}
	case float64:
		if name == "is_integer" {
			return method(func(*state, arguments) any { return v == float64(int64(v)) })
		}
	}
	return nil, false
}

var dictMethods = map[string]func(s *state, d *dict, a arguments) any{
	"get": func(s *state, d *dict, a arguments) any {
		args := s.bind("get", arguments{pos: a.pos}, 1, []string{"key", "default"}, nil)
		if len(a.kw) > 0 {
			s.fail("get takes no keyword arguments")
		}
		if v, ok := d.get(s, args[0]); ok {
			return v
		}
		return args[1]
	},
	"items": func(s *state, d *dict, a arguments) any {
		s.bind("items", a, 0, nil)
		return &sequence{kind: viewKind, view: "items", items: s.pairs(d)}
	},
	"keys": func(s *state, d *dict, a arguments) any {
		s.bind("keys", a, 0, nil)
		return &sequence{kind: viewKind, view: "keys", items: s.iterate(d)}
	},
	"values": func(s *state, d *dict, a arguments) any {
		s.bind("values", a, 0, nil)
		s.charge(len(d.values))
		return &sequence{kind: viewKind, view: "values", items: slices.Clone(d.values)}
	},
	"copy": func(s *state, d *dict, a arguments) any {
		s.bind("copy", a, 0, nil)
		out := &dict{}
		for i, k := range d.keys {
			out.set(s, k, d.values[i])
		}
		return out
	},
}

// pairs returns the items of a dictionary as tuples.
func (s *state) pairs(d *dict) []any {
	s.charge(len(d.keys) * 4 * itemWork)
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = &sequence{kind: tupleKind, items: []any{k, d.values[i]}}
	}
	return out
}

var sequenceMethods = map[string]func(s *state, v *sequence, a arguments) any{
	"index": func(s *state, v *sequence, a arguments) any {
		x := s.bind("index", a, 1, []string{"value"})[0]
		i := slices.IndexFunc(v.items, func(item any) bool { return s.equal(item, x) })
		if i < 0 {
			s.fail("%s is not in the list", s.short(x))
		}
		return int64(i)
	},
	"count": func(s *state, v *sequence, a arguments) any {
		x, n := s.bind("count", a, 1, []string{"value"})[0], 0
		for _, item := range v.items {
			if s.equal(item, x) {
				n++
			}
		}
		return int64(n)
	},
	"copy": func(s *state, v *sequence, _ arguments) any {
		s.charge(len(v.items) * itemWork)
		return &sequence{items: slices.Clone(v.items)}
	},
}
