package tokenizer

import "slices"

func (p *jinjaParser) postfix(e jinjaExpr) jinjaExpr {
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

func (p *jinjaParser) attribute(obj jinjaExpr) jinjaExpr {
	t := p.next()
	if n, ok := t.num.(int64); ok && t.kind == jinjaNumber {
		return jinjaExprFunc(func(s *jinjaState) any { return s.getItem(s.eval(obj), n) })
	}
	if t.kind != jinjaName {
		p.i--
		p.fail("want a name or a number after the dot")
	}
	return jinjaExprFunc(func(s *jinjaState) any { return s.getAttr(s.eval(obj), t.text) })
}

// subscript parses what is in the brackets of x[…]: an index, a slice, or several.
func (p *jinjaParser) subscript(obj jinjaExpr) jinjaExpr {
	var keys []jinjaExpr
	for !p.isOp("]") {
		if len(keys) > 0 {
			p.expectOp(",")
		}
		keys = append(keys, p.subscribed())
	}
	p.expectOp("]")
	key := jinjaExpr(jinjaExprFunc(func(s *jinjaState) any { return &jinjaSeq{kind: jinjaTuple, items: s.evalAll(keys)} }))
	if len(keys) == 1 {
		key = keys[0]
	}
	return jinjaExprFunc(func(s *jinjaState) any {
		v := s.eval(obj)
		return s.getItem(v, s.eval(key))
	})
}

func (p *jinjaParser) subscribed() jinjaExpr {
	bounds := [3]jinjaExpr{jinjaConst(nil), jinjaConst(nil), jinjaConst(nil)}
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
	return jinjaExprFunc(func(s *jinjaState) any {
		return jinjaSlice{s.eval(bounds[0]), s.eval(bounds[1]), s.eval(bounds[2])}
	})
}

// arguments parses the parenthesized arguments of a call.
func (p *jinjaParser) arguments() (a jinjaArgExprs) {
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
		case p.cur().kind == jinjaName && next.kind == jinjaOp && next.text == "=":
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

func (p *jinjaParser) call(fn jinjaExpr) jinjaExpr { return &jinjaCallExpr{fn, p.arguments()} }

// dotted parses the name of a filter or a test and its arguments, if there are any.
func (p *jinjaParser) dotted() (name string, args jinjaArgExprs) {
	name = p.expectName()
	for p.skipOp(".") {
		name += "." + p.expectName()
	}
	if p.isOp("(") {
		args = p.arguments()
	}
	return name, args
}

// filters parses a chain of filters on e; inline: the first one comes without its bar.
func (p *jinjaParser) filters(e jinjaExpr, inline bool) jinjaExpr {
	for inline || p.skipOp("|") {
		inline = false
		value := e
		name, args := p.dotted()
		e = jinjaExprFunc(func(s *jinjaState) any {
			v := s.eval(value)
			return s.filter(name, v, s.args(args))
		})
	}
	return e
}

func (p *jinjaParser) test(value jinjaExpr) jinjaExpr {
	negate := p.skipName("not")
	parens := p.look().kind == jinjaOp && p.look().text == "("
	name, args := p.dotted()
	t := p.cur()
	operand := t.kind == jinjaString || t.kind == jinjaNumber || p.isOp("[") || p.isOp("{") ||
		t.kind == jinjaName && !slices.Contains([]string{"else", "or", "and"}, t.text)
	if !parens && operand {
		if p.isName("is") {
			p.fail("tests cannot be chained")
		}
		args.pos = []jinjaExpr{p.postfix(p.primary())}
	}
	return jinjaExprFunc(func(s *jinjaState) any {
		v := s.eval(value)
		return s.test(name, v, s.args(args)) != negate
	})
}
