package tokenizer

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
	jinjaMaxWork  = 1 << 28
	jinjaMaxDepth = 2000
	jinjaMaxText  = 1 << 25 // of one string or of the output, in bytes
	jinjaMaxRange = 100000  // as in Jinja's sandbox
	jinjaStepWork = 16      // of one expression
	jinjaItemWork = 16      // of one element of a list
)

// Values are nil (none), bool, int64, float64, json.Number (an integer beyond int64), string and the types below.
type (
	jinjaUndefined struct{ name string }
	jinjaSeq       struct { // whatever holds elements in order
		kind  jinjaSeqKind
		items []any
		group bool // a pair of groupby, whose elements have names
	}
	jinjaDict struct {
		keys, values []any
		index        map[any]int
	}
	jinjaNamespace struct{ dict jinjaDict }
	jinjaFunc      struct {
		name string
		call func(s *jinjaState, a jinjaArgs) any
	}
	jinjaSlice   struct{ start, stop, step any }
	jinjaKeyword struct {
		name  string
		value any
	}
	jinjaArgs struct {
		pos []any
		kw  []jinjaKeyword
	}
)

type jinjaSeqKind int

const (
	jinjaList jinjaSeqKind = iota
	jinjaTuple
	jinjaRange
	jinjaItems // a dictionary's view
	jinjaIter  // can be read once and has no length
)

// jinjaScope holds the variables of a block; inner blocks see outer ones and do not change them.
type jinjaScope struct {
	vars map[string]any
	up   *jinjaScope
}

func (sc *jinjaScope) set(name string, v any) {
	if sc.vars == nil {
		sc.vars = map[string]any{}
	}
	sc.vars[name] = v
}

// jinjaState is one rendering.
type jinjaState struct {
	scope    *jinjaScope
	out      *strings.Builder
	captured string // what a filter or set block has rendered
	line     int
	work     int
	depth    int
	now      func() time.Time
}

// jinjaRender runs a template with these variables.
func jinjaRender(body []jinjaStmt, vars map[string]any, now func() time.Time) (text string, err error) {
	s := &jinjaState{scope: &jinjaScope{}, out: &strings.Builder{}, work: jinjaMaxWork, now: now}
	defer func() { err = jinjaRecover(recover(), err) }()
	for name, f := range jinjaGlobals {
		s.scope.set(name, &jinjaFunc{name, f})
	}
	for name, v := range vars {
		s.scope.set(name, s.value(v))
	}
	s.scope = &jinjaScope{up: s.scope}
	s.run(body)
	return s.out.String(), nil
}

func (s *jinjaState) fail(format string, args ...any) {
	panic(jinjaError{fmt.Sprintf("line %d: ", s.line) + fmt.Sprintf(format, args...)})
}

// charge pays for work and gives up when there has been too much.
func (s *jinjaState) charge(n int) {
	if n < 0 || n > s.work {
		s.fail("the template does too much work")
	}
	s.work -= n
}

// enter guards a recursion; call leave after it.
func (s *jinjaState) enter() {
	s.charge(jinjaStepWork)
	if s.depth++; s.depth > jinjaMaxDepth {
		s.fail("recursion deeper than %d", jinjaMaxDepth)
	}
}

func (s *jinjaState) leave() { s.depth-- }

// sized refuses text of n bytes where that is too much.
func (s *jinjaState) sized(n int) {
	if n > jinjaMaxText {
		s.fail("text of more than %d bytes", jinjaMaxText)
	}
	s.charge(n)
}

func (s *jinjaState) write(text string) {
	s.sized(len(text))
	if s.out.Len()+len(text) > jinjaMaxText {
		s.fail("output of more than %d bytes", jinjaMaxText)
	}
	s.out.WriteString(text)
}

func (s *jinjaState) eval(e jinjaExpr) any {
	s.enter()
	v := e.eval(s)
	s.leave()
	return v
}

func (s *jinjaState) evalAll(es []jinjaExpr) []any {
	s.charge(len(es) * jinjaItemWork)
	out := make([]any, len(es))
	for i, e := range es {
		out[i] = s.eval(e)
	}
	return out
}

func (s *jinjaState) run(body []jinjaStmt) jinjaControl {
	s.enter()
	defer s.leave()
	for _, stmt := range body {
		s.charge(jinjaStepWork)
		if c := stmt(s); c != jinjaNext {
			return c
		}
	}
	return jinjaNext
}

// capture runs body in a scope inside up and returns what it prints.
func (s *jinjaState) capture(up *jinjaScope, body []jinjaStmt) string {
	out, scope := s.out, s.scope
	s.out, s.scope = &strings.Builder{}, &jinjaScope{up: up}
	s.run(body)
	text := s.out.String()
	s.out, s.scope = out, scope
	return text
}

func (s *jinjaState) lookup(name string) any {
	for sc := s.scope; sc != nil; sc = sc.up {
		s.charge(1)
		if v, ok := sc.vars[name]; ok {
			return v
		}
	}
	return &jinjaUndefined{fmt.Sprintf("%q", name)}
}

// value turns what ordered JSON holds into values of templates.
func (s *jinjaState) value(v any) any {
	s.enter()
	defer s.leave()
	switch v := v.(type) {
	case nil, bool, int64, float64, string, json.Number:
		return v
	case int:
		return int64(v)
	case []any:
		s.charge(len(v) * jinjaItemWork)
		seq := &jinjaSeq{items: make([]any, len(v))}
		for i := range v {
			seq.items[i] = s.value(v[i])
		}
		return seq
	case OrderedMap:
		return s.value(&v)
	case *OrderedMap:
		d := &jinjaDict{}
		for _, k := range v.keys {
			d.set(s, k, s.value(v.values[k]))
		}
		return d
	}
	data, err := json.Marshal(v)
	if err == nil {
		v, err = decodeOrdered(data)
	}
	if err != nil {
		s.fail("a variable: %v", err)
	}
	return s.value(v)
}

// iterate returns the elements of v.
func (s *jinjaState) iterate(v any) (items []any) {
	switch v := v.(type) {
	case *jinjaSeq:
		if items = v.items; v.kind == jinjaIter {
			v.items = nil
		}
	case *jinjaDict:
		items = slices.Clone(v.keys)
	case string:
		s.charge(len(v) * 4 * jinjaItemWork)
		for _, r := range v {
			items = append(items, string(r))
		}
		return items
	case *jinjaUndefined:
	default:
		s.fail("%s is not iterable", s.typeName(v))
	}
	s.charge(len(items))
	return items
}

// length is Python's len.
func (s *jinjaState) length(v any) int {
	switch v := v.(type) {
	case *jinjaSeq:
		if v.kind != jinjaIter {
			return len(v.items)
		}
	case *jinjaDict:
		return len(v.keys)
	case string:
		s.charge(len(v))
		return utf8.RuneCountInString(v)
	case *jinjaUndefined:
		return 0
	case *jinjaLoop:
		return len(v.items)
	}
	s.fail("%s has no length", s.typeName(v))
	return 0
}

// truth is Python's bool.
func (s *jinjaState) truth(v any) bool {
	switch v := v.(type) {
	case nil, *jinjaUndefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *jinjaSeq:
		return v.kind == jinjaIter || len(v.items) > 0
	case *jinjaDict:
		return len(v.keys) > 0
	}
	return true
}

func (d *jinjaDict) set(s *jinjaState, k, v any) {
	s.charge(4 * jinjaItemWork)
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

func (d *jinjaDict) get(s *jinjaState, k any) (any, bool) {
	if i, ok := d.index[s.key(k)]; ok {
		return d.values[i], true
	}
	return nil, false
}
