package jinja

import (
	"fmt"
	"slices"
)

// args evaluates arguments.
func (s *state) args(a argExprs) (out arguments) {
	if len(a.pos) > 0 {
		out.pos = s.evalAll(a.pos)
	}
	for i, e := range a.values {
		out.kw = append(out.kw, keyword{a.names[i], s.eval(e)})
	}
	if a.star != nil {
		out.pos = append(out.pos, s.iterate(s.eval(a.star))...)
	}
	if a.kws != nil {
		d, ok := s.eval(a.kws).(*dict)
		if !ok {
			s.fail("the argument after ** must be a mapping")
		}
		for i, k := range d.keys {
			out.kw = append(out.kw, keyword{s.text(k), d.values[i]})
		}
	}
	return out
}

func (c *callExpr) eval(s *state) any {
	fn := s.eval(c.fn)
	return s.call(fn, s.args(c.args))
}

func (s *state) call(fn any, a arguments) any {
	switch fn := fn.(type) {
	case *function:
		s.enter()
		defer s.leave()
		return fn.call(s, a)
	case *loopVariable:
		if !fn.loop.recursive || len(a.pos) != 1 || len(a.kw) != 0 {
			s.fail("the loop is not recursive, or is called without one list")
		}
		return fn.recurse(s, a.pos[0])
	case *undefined:
		s.fail("%s is undefined", fn.name)
	}
	s.fail("%s is not callable", s.typeName(fn))
	return nil
}

// bind assigns arguments to the parameters of a builtin; a parameter without argument gets its default.
// A string names each parameter; need are the first ones that must be there.
func (s *state) bind(fn string, a arguments, need int, names []string, defaults ...any) []any {
	out := make([]any, len(names))
	copy(out[len(names)-len(defaults):], defaults)
	if len(a.pos) > len(names) {
		s.fail("%s takes at most %d arguments, not %d", fn, len(names), len(a.pos))
	}
	copy(out, a.pos)
	given := len(a.pos)
	for _, kw := range a.kw {
		i := slices.Index(names, kw.name)
		if i < 0 || i < len(a.pos) {
			s.fail("%s has no argument %q, or has it twice", fn, kw.name)
		}
		if out[i] = kw.value; i < need {
			given++
		}
	}
	if given < need {
		s.fail("%s takes at least %d arguments, not %d", fn, need, given)
	}
	return out
}

// macro is the definition of a macro or of a call block's body.
type macro struct {
	name                    string
	params                  []string
	defaults                []expr // of the last parameters
	body                    []stmt
	varargs, kwargs, caller bool // whether the body uses these names
}

// bind makes the macro callable; its body sees the scope where it is defined.
func (m *macro) bind(s *state) *function {
	up := s.scope
	return &function{m.name, func(s *state, a arguments) any {
		outer := s.scope
		s.scope = &variables{up: up}
		m.assign(s, a)
		text := s.capture(s.scope, m.body)
		s.scope = outer
		return text
	}}
}

// assign sets the parameters of a call in the current scope.
func (m *macro) assign(s *state, a arguments) {
	rest, kwargs := []any{}, &dict{}
	if n := len(m.params); len(a.pos) > n {
		rest = a.pos[n:]
	}
	if m.caller {
		s.scope.set("caller", &undefined{"no caller defined"})
	}
	given := map[string]any{}
	for _, kw := range a.kw {
		switch i := slices.Index(m.params, kw.name); {
		case i >= 0 && i < len(a.pos):
			s.fail("macro %s gets %q twice", m.name, kw.name)
		case i >= 0:
			given[kw.name] = kw.value
		case kw.name == "caller" && m.caller:
			s.scope.set("caller", kw.value)
		case m.kwargs:
			kwargs.set(s, kw.name, kw.value)
		default:
			s.fail("macro %s takes no argument %q", m.name, kw.name)
		}
	}
	for i, name := range m.params {
		v, ok := given[name]
		if i < len(a.pos) {
			v = a.pos[i]
		} else if d := i - len(m.params) + len(m.defaults); !ok && d >= 0 {
			v = s.eval(m.defaults[d])
		} else if !ok {
			v = &undefined{fmt.Sprintf("parameter %q", name)}
		}
		s.scope.set(name, v)
	}
	if len(rest) > 0 && !m.varargs {
		s.fail("macro %s takes not more than %d arguments", m.name, len(m.params))
	}
	if m.varargs {
		s.scope.set("varargs", &sequence{kind: tupleKind, items: rest})
	}
	if m.kwargs {
		s.scope.set("kwargs", kwargs)
	}
}

// forLoop is a for statement.
type forLoop struct {
	target      func(s *state, v any)
	cond        expr
	body, empty []stmt
	recursive   bool
}

// loopVariable is the variable loop.
type loopVariable struct {
	loop    *forLoop
	scope   *variables
	items   []any
	index   int
	depth   int
	changed []any
}

func (f *forLoop) run(s *state, v any, depth int) flow {
	outer := s.scope
	defer func() { s.scope = outer }()
	items := s.iterate(v)
	if f.cond != nil {
		kept := []any{}
		for _, item := range items {
			s.scope = &variables{up: outer}
			if f.target(s, item); s.truth(s.eval(f.cond)) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	loop := &loopVariable{loop: f, scope: outer, items: items, depth: depth}
	completed := false
	for i, item := range items {
		s.charge(stepWork)
		loop.index = i
		s.scope = &variables{up: outer}
		s.scope.set("loop", loop)
		f.target(s, item)
		control := s.run(f.body)
		if control == breakLoop {
			break
		}
		completed = completed || control == next
	}
	if !completed { // as Jinja has it, also when every turn ends with break or continue
		s.scope = &variables{up: outer}
		return s.run(f.empty)
	}
	return next
}

// recurse renders the loop again over other items, as text.
func (l *loopVariable) recurse(s *state, v any) any {
	s.enter()
	defer s.leave()
	return s.capture(l.scope, []stmt{func(s *state) flow { return l.loop.run(s, v, l.depth+1) }})
}
