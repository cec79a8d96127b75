package jinja

import "slices"

func (p *parser) postfix(e expr) expr {
	for {
		switch {
		case p.skipOp("."):
			e = p.attribute(e)
		case p.skipOp("["):
			e = p.subscript(e)
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
}

func (p *parser) attribute(obj expr) expr {
	t := p.next()
	if n, ok := t.num.(int64); ok && t.kind == numberToken {
		return exprFunc(func(s *state) any { return s.getItem(s.eval(obj), n) })
	}
	if t.kind != nameToken {
		p.i--
		p.fail("want a name or a number after the dot")
	}
	return exprFunc(func(s *state) any { return s.getAttr(s.eval(obj), t.text) })
}

// subscript parses the brackets of x[…]: an index, a slice, or several of these.
func (p *parser) subscript(obj expr) expr {
	var keys []expr
	for !p.isOp("]") {
		if len(keys) > 0 {
			p.expectOp(",")
		}
		keys = append(keys, p.subscribed())
	}
	p.expectOp("]")
	key := expr(exprFunc(func(s *state) any { return &sequence{kind: tupleKind, items: s.evalAll(keys)} }))
	if len(keys) == 1 {
		key = keys[0]
	}
	return exprFunc(func(s *state) any {
		v := s.eval(obj)
		return s.getItem(v, s.eval(key))
	})
}

func (p *parser) subscribed() expr {
	bounds := [3]expr{constant(nil), constant(nil), constant(nil)}
	if !p.isOp(":") {
		e := p.expr()
		if !p.isOp(":") {
			return e
		}
		bounds[0] = e
	}
	for n := 1; n < 3 && p.skipOp(":"); n++ {
		if !p.isOp(":") && !p.isOp("]") && !p.isOp(",") {
			bounds[n] = p.expr()
		}
	}
	return exprFunc(func(s *state) any {
		return slice{s.eval(bounds[0]), s.eval(bounds[1]), s.eval(bounds[2])}
	})
}

// arguments parses the arguments of a call, parentheses included.
func (p *parser) arguments() (a argExprs) {
	p.expectOp("(")
	ensure := func(ok bool) {
		if !ok {
			p.fail("invalid arguments of a call")
		}
	}
	for first := true; !p.isOp(")"); first = false {
		if !first {
			p.expectOp(",")
			if p.isOp(")") {
				break
			}
		}
		switch next := p.look(); {
		case p.skipOp("*"):
			ensure(a.star == nil && a.kws == nil)
			a.star = p.expr()
		case p.skipOp("**"):
			ensure(a.kws == nil)
			a.kws = p.expr()
		case p.cur().kind == nameToken && next.kind == opToken && next.text == "=":
			ensure(a.kws == nil && !slices.Contains(a.names, p.cur().text))
			a.names = append(a.names, p.cur().text)
			p.i += 2
			a.values = append(a.values, p.expr())
		default:
			ensure(a.star == nil && a.kws == nil && len(a.names) == 0)
			a.pos = append(a.pos, p.expr())
		}
	}
	p.expectOp(")")
	return a
}

func (p *parser) call(fn expr) expr { return &callExpr{fn, p.arguments()} }

// dotted parses the name of a filter or a test, and its arguments if it has any.
func (p *parser) dotted() (name string, args argExprs) {
	name = p.expectName()
	for p.skipOp(".") {
		name += "." + p.expectName()
	}
	if p.isOp("(") {
		args = p.arguments()
	}
	return name, args
}

// filters parses a chain of filters on e. With inline, the first one has no bar before it.
func (p *parser) filters(e expr, inline bool) expr {
	for inline || p.skipOp("|") {
		inline = false
		value := e
		name, args := p.dotted()
		e = exprFunc(func(s *state) any {
			v := s.eval(value)
			return s.filter(name, v, s.args(args))
		})
	}
	return e
}

func (p *parser) test(value expr) expr {
	negate := p.skipName("not")
	parens := p.look().kind == opToken && p.look().text == "("
	name, args := p.dotted()
	t := p.cur()
	operand := t.kind == stringToken || t.kind == numberToken || p.isOp("[") || p.isOp("{") ||
		t.kind == nameToken && !slices.Contains([]string{"else", "or", "and"}, t.text)
	if !parens && operand {
		if p.isName("is") {
			p.fail("tests cannot be chained")
		}
		args.pos = []expr{p.postfix(p.primary())}
	}
	return exprFunc(func(s *state) any {
		v := s.eval(value)
		return s.test(name, v, s.args(args)) != negate
	})
}
