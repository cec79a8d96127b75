package jinja

import (
	"fmt"
	"time"
)

// The bounds of one rendering. Work counts expressions, turns of loops, and bytes that operations touch.
const (
	maxWork  = 1 << 28
	maxDepth = 2000
	maxText  = 1 << 25 // of one string or of the output, in bytes
	maxRange = 100000  // as in Jinja's sandbox
	stepWork = 16      // of one expression
	itemWork = 16      // of one element of a list
)

// variables are the variables of a block. Inner blocks see those of outer blocks and do not change them.
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
	out      *output
	captured string // what a filter block or a set block has printed
	line     int
	work     int
	depth    int
	now      func() time.Time
	trace    tracer
}

// render runs a template with these variables, up to a bound of the work. The items of the variable list are followed.
func render(body []stmt, work int, vars map[string]any, now func() time.Time, list string) *output {
	s := &state{scope: &variables{}, out: &output{}, work: work, now: now}
	for name, f := range globals {
		s.scope.set(name, &function{name, f})
	}
	for name, v := range vars {
		value := s.value(v)
		s.scope.set(name, value)
		if name == list {
			s.trace.follow(value)
		}
	}
	s.scope = &variables{up: s.scope}
	s.run(body)
	return s.out
}

func (s *state) fail(format string, args ...any) {
	panic(&Error{Line: s.line, Message: fmt.Sprintf(format, args...)})
}

// charge pays for work. It gives up once there has been too much.
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

// sized refuses a text of n bytes if that is too long, and pays for it.
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
	s.placeMarks(text)
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
	s.out, s.scope = &output{}, &variables{up: up}
	s.run(body)
	text := s.out.String()
	if len(s.out.marks) > 0 {
		s.trace.captured = append(s.trace.captured, markedText{text, s.out.marks})
	}
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
