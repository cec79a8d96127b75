package jinja

import (
	"fmt"
	"slices"
)

// macro is the definition of a macro, or of the body of a call block.
type macro struct {
	name                    string
	params                  []string
	defaults                []expr // of the last parameters
	body                    []stmt
	varargs, kwargs, caller bool // whether the body uses these names
}

// bind makes the macro callable. Its body sees the scope in which it is defined.
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
		s.fail("macro %s takes at most %d arguments", m.name, len(m.params))
	}
	if m.varargs {
		s.scope.set("varargs", &sequence{kind: tupleKind, items: rest})
	}
	if m.kwargs {
		s.scope.set("kwargs", kwargs)
	}
}
