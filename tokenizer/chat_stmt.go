package tokenizer

import (
	"slices"
	"strings"
)

// jinjaStmt runs a statement or prints a piece of text.
type jinjaStmt func(s *jinjaState) jinjaControl

// jinjaControl says how a statement ended.
type jinjaControl int

const (
	jinjaNext jinjaControl = iota
	jinjaBreak
	jinjaContinue
)

// body parses text and statements up to a tag that begins with one of ends, and stays at that name.
func (p *jinjaParser) body(ends ...string) (body []jinjaStmt) {
	defer p.enter()()
	for {
		t := p.next()
		switch t.kind {
		case jinjaEOF:
			if len(ends) > 0 {
				p.fail("the template ends before %s", strings.Join(ends, " or "))
			}
			return body
		case jinjaData:
			body = append(body, func(s *jinjaState) jinjaControl {
				s.write(t.text)
				return jinjaNext
			})
		case jinjaVarBegin:
			e := p.tuple(p.expr, false)
			p.expect(jinjaVarEnd)
			body = append(body, func(s *jinjaState) jinjaControl {
				s.line = t.line
				s.write(s.text(s.eval(e)))
				return jinjaNext
			})
		default:
			if p.cur().kind == jinjaName && slices.Contains(ends, p.cur().text) {
				return body
			}
			stmt := p.statement()
			p.expect(jinjaBlockEnd)
			body = append(body, func(s *jinjaState) jinjaControl {
				s.line = t.line
				return stmt(s)
			})
		}
	}
}

// block parses the end of the opening tag and a body, and moves behind the name that ends it.
func (p *jinjaParser) block(ends ...string) (body []jinjaStmt, end string) {
	p.skipOp(":")
	p.expect(jinjaBlockEnd)
	body = p.body(ends...)
	return body, p.next().text
}

func (p *jinjaParser) statement() jinjaStmt {
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
		return func(s *jinjaState) jinjaControl {
			s.scope.set(name, macro(s))
			return jinjaNext
		}
	case "call":
		return p.callStmt()
	case "filter":
		filter := p.filters(jinjaExprFunc(func(s *jinjaState) any { return s.captured }), true)
		body := p.isolated("endfilter")
		return func(s *jinjaState) jinjaControl {
			s.captured = s.capture(s.scope, body)
			s.write(s.text(s.eval(filter)))
			return jinjaNext
		}
	case "with":
		return p.withStmt()
	case "generation":
		body := p.isolated("endgeneration")
		return func(s *jinjaState) jinjaControl {
			s.write(s.capture(s.scope, body))
			return jinjaNext
		}
	case "print":
		e := p.tuple(p.expr, false)
		return func(s *jinjaState) jinjaControl {
			s.write(s.text(s.eval(e)))
			return jinjaNext
		}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("%s outside a loop", name)
		}
		control := map[string]jinjaControl{"break": jinjaBreak, "continue": jinjaContinue}[name]
		return func(*jinjaState) jinjaControl { return control }
	default:
		p.i--
		p.fail("unknown tag %q", name)
		return nil
	}
}

// isolated parses a body that no break leaves.
func (p *jinjaParser) isolated(end string) []jinjaStmt {
	loops := p.loops
	p.loops = 0
	body, _ := p.block(end)
	p.loops = loops
	return body
}

func (p *jinjaParser) ifStmt() jinjaStmt {
	var conds []jinjaExpr
	var bodies [][]jinjaStmt
	for {
		conds = append(conds, p.tuple(p.or, false))
		body, end := p.block("elif", "else", "endif")
		bodies = append(bodies, body)
		if end == "else" {
			body, end = p.block("endif")
			conds, bodies = append(conds, jinjaConst(true)), append(bodies, body)
		}
		if end == "endif" {
			break
		}
	}
	return func(s *jinjaState) jinjaControl {
		for i, cond := range conds {
			if s.truth(s.eval(cond)) {
				return s.run(bodies[i])
			}
		}
		return jinjaNext
	}
}

// target parses what is assigned to: a name, names with commas, or the attribute of a namespace.
func (p *jinjaParser) target(namespace bool) func(s *jinjaState, v any) {
	one := func() func(s *jinjaState, v any) {
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
			return func(s *jinjaState, v any) {
				ns, ok := s.lookup(name).(*jinjaNamespace)
				if !ok {
					s.fail("cannot assign attribute on non-namespace object %s", name)
				}
				ns.dict.set(s, attr, v)
			}
		}
		return func(s *jinjaState, v any) { s.scope.set(name, v) }
	}
	targets, isTuple := []func(*jinjaState, any){one()}, false
	for p.skipOp(",") {
		isTuple = true
		if p.cur().kind != jinjaName && !p.isOp("(") || p.isName("in") {
			break
		}
		targets = append(targets, one())
	}
	if !isTuple {
		return targets[0]
	}
	return func(s *jinjaState, v any) {
		items := s.iterate(v)
		if len(items) != len(targets) {
			s.fail("%d values to unpack into %d names", len(items), len(targets))
		}
		for i, t := range targets {
			t(s, items[i])
		}
	}
}

func (p *jinjaParser) forStmt() jinjaStmt {
	loop := &jinjaFor{target: p.target(false)}
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
	return func(s *jinjaState) jinjaControl { return loop.run(s, s.eval(iter), 0) }
}

func (p *jinjaParser) setStmt() jinjaStmt {
	target := p.target(true)
	if p.skipOp("=") {
		value := p.tuple(p.expr, false)
		return func(s *jinjaState) jinjaControl {
			target(s, s.eval(value))
			return jinjaNext
		}
	}
	filter := p.filters(jinjaExprFunc(func(s *jinjaState) any { return s.captured }), false)
	body := p.isolated("endset")
	return func(s *jinjaState) jinjaControl {
		s.captured = s.capture(s.scope, body)
		target(s, s.eval(filter))
		return jinjaNext
	}
}

func (p *jinjaParser) withStmt() jinjaStmt {
	var targets []func(*jinjaState, any)
	var values []jinjaExpr
	for p.cur().kind != jinjaBlockEnd {
		if len(targets) > 0 {
			p.expectOp(",")
		}
		targets = append(targets, p.target(false))
		p.expectOp("=")
		values = append(values, p.expr())
	}
	body, _ := p.block("endwith")
	return func(s *jinjaState) jinjaControl {
		vals := s.evalAll(values)
		outer := s.scope
		s.scope = &jinjaScope{up: outer}
		for i, t := range targets {
			t(s, vals[i])
		}
		control := s.run(body)
		s.scope = outer
		return control
	}
}

// macro parses a signature and a body; the result makes the callable in the scope where it is defined.
func (p *jinjaParser) macro(name, end string) func(s *jinjaState) *jinjaFunc {
	m := &jinjaMacro{name: name}
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
				p.fail("a parameter without default after one with a default")
			}
		}
		p.expectOp(")")
	}
	var call *jinjaCallExpr
	if end == "endcall" {
		var ok bool
		if call, ok = p.expr().(*jinjaCallExpr); !ok {
			p.fail("want a call")
		}
	}
	m.body = p.isolated(end)
	m.varargs, m.kwargs, m.caller = p.names["varargs"], p.names["kwargs"], p.names["caller"]
	for n := range p.names {
		outer[n] = true
	}
	p.names = outer
	return func(s *jinjaState) *jinjaFunc {
		f := m.bind(s)
		if call != nil {
			return &jinjaFunc{name: name, call: func(s *jinjaState, _ jinjaArgs) any {
				args := s.args(call.args)
				args.kw = append(args.kw, jinjaKeyword{"caller", f})
				return s.call(s.eval(call.fn), args)
			}}
		}
		return f
	}
}

// callStmt parses {% call(args) macro(…) %}: the macro gets the body as caller.
func (p *jinjaParser) callStmt() jinjaStmt {
	macro := p.macro("caller", "endcall")
	return func(s *jinjaState) jinjaControl {
		s.write(s.text(macro(s).call(s, jinjaArgs{})))
		return jinjaNext
	}
}
