package jinja

import (
	"slices"
	"strings"
)

// stmt runs a statement, or prints a piece of text.
type stmt func(s *state) flow

// flow tells how a statement ended.
type flow int

const (
	next flow = iota
	breakLoop
	continueLoop
)

// body parses text and statements up to a tag whose name is one of ends. It stops at that name.
func (p *parser) body(ends ...string) (body []stmt) {
	defer p.enter()()
	for {
		t := p.next()
		switch t.kind {
		case endOfText:
			if len(ends) > 0 {
				p.fail("the template ends before %s", strings.Join(ends, " or "))
			}
			return body
		case dataToken:
			body = append(body, func(s *state) flow {
				s.write(t.text)
				return next
			})
		case varBegin:
			e := p.tuple(p.expr, false)
			p.expect(varEnd)
			body = append(body, func(s *state) flow {
				s.line = t.line
				s.write(s.text(s.eval(e)))
				return next
			})
		default:
			if p.cur().kind == nameToken && slices.Contains(ends, p.cur().text) {
				return body
			}
			stmt := p.statement()
			p.expect(blockEnd)
			body = append(body, func(s *state) flow {
				s.line = t.line
				return stmt(s)
			})
		}
	}
}

// block parses the end of an opening tag and a body. It stops after the name that ends the body, which it returns.
func (p *parser) block(ends ...string) (body []stmt, end string) {
	p.skipOp(":")
	p.expect(blockEnd)
	body = p.body(ends...)
	return body, p.next().text
}

func (p *parser) statement() stmt {
	switch name := p.expectName(); name {
	case "if":
		return p.ifStmt()
	case "for":
		return p.forStmt()
	case "set":
		return p.setStmt()
	case "macro":
		name := p.expectName()
		macro := p.macro(name, "endmacro")
		return func(s *state) flow {
			s.scope.set(name, macro(s))
			return next
		}
	case "call":
		return p.callStmt()
	case "filter":
		filter := p.filters(exprFunc(func(s *state) any { return s.captured }), true)
		body := p.isolated("endfilter")
		return func(s *state) flow {
			s.captured = s.capture(s.scope, body)
			s.write(s.text(s.eval(filter)))
			return next
		}
	case "with":
		return p.withStmt()
	case "generation":
		p.generation = true
		body := p.isolated("endgeneration")
		return func(s *state) flow {
			from := s.out.Len()
			s.write(s.capture(s.scope, body))
			s.out.mark(generated, from)
			return next
		}
	case "print":
		e := p.tuple(p.expr, false)
		return func(s *state) flow {
			s.write(s.text(s.eval(e)))
			return next
		}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("%s outside a loop", name)
		}
		control := map[string]flow{"break": breakLoop, "continue": continueLoop}[name]
		return func(*state) flow { return control }
	default:
		p.i--
		p.fail("unknown tag %q", name)
		return nil
	}
}

// isolated parses a body that break cannot leave.
func (p *parser) isolated(end string) []stmt {
	loops := p.loops
	p.loops = 0
	body, _ := p.block(end)
	p.loops = loops
	return body
}

func (p *parser) ifStmt() stmt {
	var conds []expr
	var bodies [][]stmt
	for {
		conds = append(conds, p.tuple(p.or, false))
		body, end := p.block("elif", "else", "endif")
		bodies = append(bodies, body)
		if end == "else" {
			body, end = p.block("endif")
			conds, bodies = append(conds, constant(true)), append(bodies, body)
		}
		if end == "endif" {
			break
		}
	}
	return func(s *state) flow {
		for i, cond := range conds {
			if s.truth(s.eval(cond)) {
				return s.run(bodies[i])
			}
		}
		return next
	}
}

// target parses what is assigned to: a name, names with commas between them, or (with namespace) an attribute of a
// namespace.
func (p *parser) target(namespace bool) func(s *state, v any) {
	one := func() func(s *state, v any) {
		if p.skipOp("(") {
			defer p.enter()()
			t := p.target(namespace)
			p.expectOp(")")
			return t
		}
		name := p.expectName()
		if slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, name) {
			p.fail("cannot assign to %s", name)
		}
		if namespace && p.skipOp(".") {
			attr := p.expectName()
			return func(s *state, v any) {
				ns, ok := s.lookup(name).(*namespaceObject)
				if !ok {
					s.fail("cannot assign attribute on non-namespace object %s", name)
				}
				ns.dict.set(s, attr, v)
			}
		}
		return func(s *state, v any) { s.scope.set(name, v) }
	}
	targets, isTuple := []func(*state, any){one()}, false
	for p.skipOp(",") {
		isTuple = true
		if p.cur().kind != nameToken && !p.isOp("(") || p.isName("in") {
			break
		}
		targets = append(targets, one())
	}
	if !isTuple {
		return targets[0]
	}
	return func(s *state, v any) {
		items := s.iterate(v)
		if len(items) != len(targets) {
			s.fail("%d values to unpack into %d names", len(items), len(targets))
		}
		for i, t := range targets {
			t(s, items[i])
		}
	}
}

func (p *parser) forStmt() stmt {
	loop := &forLoop{target: p.target(false)}
	if !p.skipName("in") {
		p.fail("want in, have %q", p.cur().text)
	}
	iter := p.tuple(p.or, false)
	if p.skipName("if") {
		loop.cond = p.expr()
	}
	loop.recursive = p.skipName("recursive")
	p.loops++
	body, end := p.block("endfor", "else")
	p.loops--
	if loop.body = body; end == "else" {
		loop.empty, _ = p.block("endfor")
	}
	return func(s *state) flow { return loop.run(s, s.eval(iter), 0) }
}

func (p *parser) setStmt() stmt {
	target := p.target(true)
	if p.skipOp("=") {
		value := p.tuple(p.expr, false)
		return func(s *state) flow {
			v := s.eval(value)
			s.trace.assigned(v)
			target(s, v)
			return next
		}
	}
	filter := p.filters(exprFunc(func(s *state) any { return s.captured }), false)
	body := p.isolated("endset")
	return func(s *state) flow {
		s.captured = s.capture(s.scope, body)
		target(s, s.eval(filter))
		return next
	}
}

func (p *parser) withStmt() stmt {
	var targets []func(*state, any)
	var values []expr
	for p.cur().kind != blockEnd {
		if len(targets) > 0 {
			p.expectOp(",")
		}
		targets = append(targets, p.target(false))
		p.expectOp("=")
		values = append(values, p.expr())
	}
	body, _ := p.block("endwith")
	return func(s *state) flow {
		vals := s.evalAll(values)
		outer := s.scope
		s.scope = &variables{up: outer}
		for i, t := range targets {
			t(s, vals[i])
		}
		control := s.run(body)
		s.scope = outer
		return control
	}
}

// macro parses a signature and a body. The result makes the callable in the scope in which it runs.
func (p *parser) macro(name, end string) func(s *state) *function {
	m := &macro{name: name}
	outer := p.names
	p.names = map[string]bool{}
	if end == "endmacro" || p.isOp("(") {
		p.expectOp("(")
		for !p.isOp(")") {
			if len(m.params) > 0 {
				p.expectOp(",")
			}
			m.params = append(m.params, p.expectName())
			if p.skipOp("=") {
				m.defaults = append(m.defaults, p.expr())
			} else if len(m.defaults) > 0 {
				p.fail("a parameter without a default after one with a default")
			}
		}
		p.expectOp(")")
	}
	var call *callExpr
	if end == "endcall" {
		var ok bool
		if call, ok = p.expr().(*callExpr); !ok {
			p.fail("want a call")
		}
	}
	m.body = p.isolated(end)
	m.varargs, m.kwargs, m.caller = p.names["varargs"], p.names["kwargs"], p.names["caller"]
	for n := range p.names {
		outer[n] = true
	}
	p.names = outer
	return func(s *state) *function {
		f := m.bind(s)
		if call != nil {
			return &function{name: name, call: func(s *state, _ arguments) any {
				args := s.args(call.args)
				args.kw = append(args.kw, keyword{"caller", f})
				return s.call(s.eval(call.fn), args)
			}}
		}
		return f
	}
}

// callStmt parses {% call(args) macro(…) %}. The macro gets the body as its caller.
func (p *parser) callStmt() stmt {
	macro := p.macro("caller", "endcall")
	return func(s *state) flow {
		s.write(s.text(macro(s).call(s, arguments{})))
		return next
	}
}
