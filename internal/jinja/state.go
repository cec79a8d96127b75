package jinja

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of one rendering. Work counts expressions, loop turns and bytes that operations touch.
const (
	maxWork  = 1 << 28
	maxDepth = 2000
	maxText  = 1 << 25 // of one string or of the output, in bytes
	maxRange = 100000  // as in Jinja's sandbox
	stepWork = 16      // of one expression
	itemWork = 16      // of one element of a list
)

// Values are nil (none), bool, int64, float64, json.Number (an integer beyond int64), string and the types below.
type (
	undefined struct{ name string }
	sequence  struct { // whatever holds elements in order
		kind  sequenceKind
		items []any
		group bool   // a pair of groupby, whose elements have names
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

// variables holds the variables of a block; inner blocks see outer ones and do not change them.
type variables struct {
	vars map[string]any
	up   *variables
}

func (sc *variables) set(name string, v any) {
	if sc.vars == nil {
		sc.vars = map[string]any{}
	}
	sc.vars[name] = v
}

// state is one rendering.
type state struct {
	scope    *variables
	out      *strings.Builder
	captured string // what a filter or set block has rendered
	line     int
	work     int
	depth    int
	now      func() time.Time
}

// render runs a template with these variables.
func render(body []stmt, vars map[string]any, now func() time.Time) string {
	s := &state{scope: &variables{}, out: &strings.Builder{}, work: maxWork, now: now}
	for name, f := range globals {
		s.scope.set(name, &function{name, f})
	}
	for name, v := range vars {
		s.scope.set(name, s.value(v))
	}
	s.scope = &variables{up: s.scope}
	s.run(body)
	return s.out.String()
}

func (s *state) fail(format string, args ...any) {
	panic(&Error{Line: s.line, Message: fmt.Sprintf(format, args...)})
}

// charge pays for work and gives up when there has been too much.
func (s *state) charge(n int) {
	if n < 0 || n > s.work {
		s.fail("the template does too much work")
	}
	s.work -= n
}

// enter guards a recursion; call leave after it.
func (s *state) enter() {
	s.charge(stepWork)
	if s.depth++; s.depth > maxDepth {
		s.fail("recursion deeper than %d", maxDepth)
	}
}

func (s *state) leave() { s.depth-- }

// sized refuses text of n bytes where that is too much.
func (s *state) sized(n int) {
	if n > maxText {
		s.fail("text of more than %d bytes", maxText)
	}
	s.charge(n)
}

func (s *state) write(text string) {
	s.sized(len(text))
	if s.out.Len()+len(text) > maxText {
		s.fail("output of more than %d bytes", maxText)
	}
	s.out.WriteString(text)
}

func (s *state) eval(e expr) any {
	s.enter()
	v := e.eval(s)
	s.leave()
	return v
}

func (s *state) evalAll(es []expr) []any {
	s.charge(len(es) * itemWork)
	out := make([]any, len(es))
	for i, e := range es {
		out[i] = s.eval(e)
	}
	return out
}

func (s *state) run(body []stmt) flow {
	s.enter()
	defer s.leave()
	for _, stmt := range body {
		s.charge(stepWork)
		if c := stmt(s); c != next {
			return c
		}
	}
	return next
}

// capture runs body in a scope inside up and returns what it prints.
func (s *state) capture(up *variables, body []stmt) string {
	out, scope := s.out, s.scope
	s.out, s.scope = &strings.Builder{}, &variables{up: up}
	s.run(body)
	text := s.out.String()
	s.out, s.scope = out, scope
	return text
}

func (s *state) lookup(name string) any {
	for sc := s.scope; sc != nil; sc = sc.up {
		s.charge(1)
		if v, ok := sc.vars[name]; ok {
			return v
		}
	}
	return &undefined{fmt.Sprintf("%q", name)}
}

// value turns a caller's value into one of templates.
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
	s.fail("a variable is a %T", v)
	return nil
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
