package jinja

import (
	"slices"
	"strings"
	"unicode"
)

// test applies a test by name: "value is name(args)".
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

// iterable reports whether a for loop accepts v.
func iterable(v any) bool {
	switch v.(type) {
	case string, *sequence, *dict, *undefined, *loopVariable:
		return true
	}
	return false
}

// same is Python's "is", as far as values have an identity here.
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
