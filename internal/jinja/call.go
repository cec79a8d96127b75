package jinja

import "slices"

// args evaluates the arguments of a call.
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
			s.fail("loop(…) needs a recursive loop and one list")
		}
		return fn.recurse(s, a.pos[0])
	case *undefined:
		s.fail("%s is undefined", fn.name)
	}
	s.fail("%s is not callable", s.typeName(fn))
	return nil
}

// bind assigns arguments to the parameters of a builtin. A parameter without an argument gets its default. names has
// the name of each parameter; the first need of them must be given.
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
