package jinja

import (
	"slices"
	"strings"
	"unicode"
)

// test applies a test by name: value is name(args).
func (s *state) test(name string, v any, a arguments) bool {
	if op, ok := operatorTests[name]; ok {
		return s.compareOp(op, v, s.bind(name, a, 1, []string{"other"})[0])
	}
	switch name {
	case "divisibleby":
		return s.equal(s.arith("%", v, s.bind(name, a, 1, []string{"num"})[0]), int64(0))
	case "sameas":
		return s.same(v, s.bind(name, a, 1, []string{"other"})[0])
	}
	f, ok := tests[name]
	if !ok {
		s.fail("no test named %q", name)
	}
	s.bind(name, a, 0, nil)
	return f(s, v)
}

var operatorTests = map[string]string{
	"==": "==", "eq": "==", "equalto": "==", "!=": "!=", "ne": "!=",
	"<": "<", "lt": "<", "lessthan": "<", "<=": "<=", "le": "<=",
	">": ">", "gt": ">", "greaterthan": ">", ">=": ">=", "ge": ">=", "in": "in",
}

var tests map[string]func(s *state, v any) bool

func init() {
	tests = map[string]func(s *state, v any) bool{
		"defined":   func(_ *state, v any) bool { _, undefined := v.(*undefined); return !undefined },
		"undefined": func(_ *state, v any) bool { _, undefined := v.(*undefined); return undefined },
		"none":      func(_ *state, v any) bool { return v == nil },
		"boolean":   func(_ *state, v any) bool { _, ok := v.(bool); return ok },
		"true":      func(_ *state, v any) bool { return v == true },
		"false":     func(_ *state, v any) bool { return v == false },
		"string":    func(_ *state, v any) bool { _, ok := v.(string); return ok },
		"mapping":   func(_ *state, v any) bool { _, ok := v.(*dict); return ok },
		"integer":   func(s *state, v any) bool { return s.typeName(v) == "int" },
		"float":     func(_ *state, v any) bool { _, ok := v.(float64); return ok },
		"number": func(s *state, v any) bool {
			return slices.Contains([]string{"bool", "int", "float"}, s.typeName(v))
		},
		"sequence": func(_ *state, v any) bool {
			seq, isSeq := v.(*sequence)
			return isSeq && seq.kind <= rangeKind || !isSeq && iterable(v)
		},
		"iterable": func(_ *state, v any) bool { return iterable(v) },
		"callable": func(_ *state, v any) bool {
			_, isFunc := v.(*function)
			_, isLoop := v.(*loopVariable)
			return isFunc || isLoop
		},
		"escaped": func(*state, any) bool { return false },
		"lower":   caseTest(unicode.IsUpper, unicode.IsLower),
		"upper":   caseTest(unicode.IsLower, unicode.IsUpper),
		"odd":     func(s *state, v any) bool { return s.equal(s.arith("%", v, int64(2)), int64(1)) },
		"even":    func(s *state, v any) bool { return s.equal(s.arith("%", v, int64(2)), int64(0)) },
		"filter": func(s *state, v any) bool {
			_, ok := filters[s.text(v)]
			return ok
		},
		"test": func(s *state, v any) bool {
			_, ok := tests[s.text(v)]
			return ok
		},
	}
}

func caseTest(none, some func(rune) bool) func(s *state, v any) bool {
	return func(s *state, v any) bool {
		text := s.text(v)
		s.charge(len(text))
		return strings.IndexFunc(text, none) < 0 && strings.IndexFunc(text, some) >= 0
	}
}

// iterable reports whether a for loop takes v.
func iterable(v any) bool {
	switch v.(type) {
	case string, *sequence, *dict, *undefined, *loopVariable:
		return true
	}
	return false
}

// same is Python's is, as far as values here have an identity.
func (s *state) same(a, b any) bool {
	if s.typeName(a) != s.typeName(b) {
		return false
	}
	switch a.(type) {
	case *sequence, *dict, *namespaceObject:
		return a == b
	}
	return s.equal(a, b)
}

// globals are the functions of every template.
var globals = map[string]func(s *state, a arguments) any{
	"raise_exception": func(s *state, a arguments) any {
		message := s.text(s.bind("raise_exception", a, 1, []string{"message"})[0])
		panic(&Error{Line: s.line, Message: message, Raised: true})
	},
	"strftime_now": func(s *state, a arguments) any {
		format := s.str("the format", s.bind("strftime_now", a, 1, []string{"format"})[0])
		if len(format) > maxWidth {
			s.fail("strftime_now: a format of %d bytes", len(format))
		}
		return strftime(s.now(), format)
	},
	"range": rangeGlobal,
	"namespace": func(s *state, a arguments) any {
		return &namespaceObject{*dictGlobal(s, a).(*dict)}
	},
	"dict": dictGlobal,
	"joiner": func(s *state, a arguments) any {
		sep, used := s.bind("joiner", a, 0, []string{"sep"}, ", ")[0], false
		return &function{"joiner", func(s *state, a arguments) any {
			if !used {
				used = true
				return ""
			}
			return sep
		}}
	},
	"cycler": func(s *state, a arguments) any {
		if len(a.pos) == 0 || len(a.kw) > 0 {
			s.fail("cycler: at least one item has to be provided")
		}
		return &cycler{items: a.pos}
	},
}

func rangeGlobal(s *state, a arguments) any {
	if len(a.pos) == 0 || len(a.pos) > 3 || len(a.kw) > 0 {
		s.fail("range takes one to three arguments")
	}
	start, stop, step := 0, s.index("range", a.pos[0]), 1
	if len(a.pos) > 1 {
		start, stop = stop, s.index("range", a.pos[1])
	}
	if len(a.pos) > 2 {
		step = s.index("range", a.pos[2])
	}
	const most = 1 << 60
	if step == 0 || max(start, -start, stop, -stop, step, -step) > most {
		s.fail("range(%d, %d, %d)", start, stop, step)
	}
	count := max(0, (stop-start+step-1)/step)
	if step < 0 {
		count = max(0, (start-stop-step-1)/-step)
	}
	if count > maxRange {
		s.fail("range too big: %d; the limit is %d", count, maxRange)
	}
	s.charge(count * itemWork)
	out := &sequence{kind: rangeKind, items: make([]any, count)}
	for i := range out.items {
		out.items[i] = int64(start + i*step)
	}
	return out
}

// dictGlobal makes a dictionary of another one or of pairs, and of keywords.
func dictGlobal(s *state, a arguments) any {
	out := &dict{}
	if len(a.pos) > 1 {
		s.fail("dict takes one argument and keywords")
	}
	for _, v := range a.pos {
		var pairs []any
		if d, ok := v.(*dict); ok {
			pairs = s.pairs(d)
		} else {
			pairs = s.iterate(v)
		}
		for _, pair := range pairs {
			kv := s.iterate(pair)
			if len(kv) != 2 {
				s.fail("dict: want pairs of key and value")
			}
			out.set(s, kv[0], kv[1])
		}
	}
	for _, kw := range a.kw {
		out.set(s, kw.name, kw.value)
	}
	return out
}

// cycler goes round a list of items.
type cycler struct {
	items []any
	pos   int
}

func (c *cycler) attribute(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.pos], true
	case "next":
		return &function{name, func(s *state, a arguments) any {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v
		}}, true
	case "reset":
		return &function{name, func(s *state, a arguments) any {
			c.pos = 0
			return nil
		}}, true
	}
	return nil, false
}
