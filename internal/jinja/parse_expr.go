package jinja

import (
	"slices"
	"strings"
)

// expr is an expression, compiled to a closure.
type expr interface{ eval(s *state) any }

type exprFunc func(s *state) any

func (f exprFunc) eval(s *state) any { return f(s) }

// argExprs are the arguments of a call.
type argExprs struct {
	pos       []expr
	names     []string
	values    []expr
	star, kws expr
}

// callExpr is a call. It is a node and not a closure because {% call %} adds an argument to it.
type callExpr struct {
	fn   expr
	args argExprs
}

// tuple parses an expression, or several with commas between them, which make a tuple.
func (p *parser) tuple(parse func() expr, parens bool) expr {
	var items []expr
	isTuple := false
	for {
		t := p.cur()
		if t.kind == varEnd || t.kind == blockEnd || p.isOp(")") || len(items) > 0 && p.isName("recursive") {
			break
		}
		items = append(items, parse())
		if !p.skipOp(",") {
			break
		}
		isTuple = true
	}
	if !isTuple && len(items) > 0 {
		return items[0]
	}
	if !isTuple && !parens {
		p.fail("want an expression, have %q", p.cur().text)
	}
	return exprFunc(func(s *state) any { return &sequence{kind: tupleKind, items: s.evalAll(items)} })
}

// expr parses an expression, conditional ones included.
func (p *parser) expr() expr {
	defer p.enter()()
	e := p.or()
	for p.skipName("if") {
		then, cond, other := e, p.or(), expr(nil)
		if p.skipName("else") {
			other = p.expr()
		}
		e = exprFunc(func(s *state) any {
			switch {
			case s.truth(s.eval(cond)):
				return s.eval(then)
			case other != nil:
				return s.eval(other)
			}
			return &undefined{"the inline if-expression without else"}
		})
	}
	return e
}

func (p *parser) or() expr {
	left := p.and()
	for p.skipName("or") {
		a, b := left, p.and()
		left = exprFunc(func(s *state) any {
			if v := s.eval(a); s.truth(v) {
				return v
			}
			return s.eval(b)
		})
	}
	return left
}

func (p *parser) and() expr {
	left := p.not()
	for p.skipName("and") {
		a, b := left, p.not()
		left = exprFunc(func(s *state) any {
			if v := s.eval(a); !s.truth(v) {
				return v
			}
			return s.eval(b)
		})
	}
	return left
}

func (p *parser) not() expr {
	if !p.skipName("not") {
		return p.compare()
	}
	defer p.enter()()
	e := p.not()
	return exprFunc(func(s *state) any { return !s.truth(s.eval(e)) })
}

// compare parses a chain of comparisons: a < b <= c means a < b and b <= c.
func (p *parser) compare() expr {
	first := p.binary(0)
	var ops []string
	var operands []expr
	for {
		t := p.cur()
		switch {
		case t.kind == opToken && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			p.i++
			ops = append(ops, t.text)
		case p.skipName("in"):
			ops = append(ops, "in")
		case p.isName("not") && p.look().kind == nameToken && p.look().text == "in":
			p.i += 2
			ops = append(ops, "not in")
		case len(ops) == 0:
			return first
		default:
			return exprFunc(func(s *state) any {
				left := s.eval(first)
				for i, op := range ops {
					right := s.eval(operands[i])
					if !s.compareOp(op, left, right) {
						return false
					}
					left = right
				}
				return true
			})
		}
		operands = append(operands, p.binary(0))
	}
}

// binaryOperators lists the binary operators, from those that bind least to those that bind most. All are
// left-associative, ** too.
var binaryOperators = [][]string{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *parser) binary(level int) expr {
	if level == len(binaryOperators) {
		return p.unary(true)
	}
	left := p.binary(level + 1)
	for {
		t := p.cur()
		if t.kind != opToken || !slices.Contains(binaryOperators[level], t.text) {
			return left
		}
		p.i++
		a, b, op := left, p.binary(level+1), t.text
		left = exprFunc(func(s *state) any {
			x := s.eval(a)
			return s.arith(op, x, s.eval(b))
		})
	}
}

func (p *parser) unary(filters bool) expr {
	defer p.enter()()
	var e expr
	if p.isOp("-") || p.isOp("+") {
		op := p.next().text
		operand := p.unary(false)
		e = exprFunc(func(s *state) any { return s.sign(op, s.eval(operand)) })
	} else {
		e = p.primary()
	}
	e = p.postfix(e)
	for filters {
		switch {
		case p.isOp("|"):
			e = p.filters(e, false)
		case p.skipName("is"):
			e = p.test(e)
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
	return e
}

func constant(v any) expr { return exprFunc(func(*state) any { return v }) }

func (p *parser) primary() expr {
	t := p.next()
	switch {
	case t.kind == nameToken:
		switch t.text {
		case "true", "True", "false", "False":
			return constant(t.text == "true" || t.text == "True")
		case "none", "None":
			return constant(nil)
		}
		p.names[t.text] = true
		return exprFunc(func(s *state) any { return s.lookup(t.text) })
	case t.kind == numberToken:
		return constant(t.num)
	case t.kind == stringToken:
		parts := []string{t.text}
		for p.cur().kind == stringToken {
			parts = append(parts, p.next().text)
		}
		return constant(strings.Join(parts, ""))
	case t.kind == opToken && t.text == "(":
		e := p.tuple(p.expr, true)
		p.expectOp(")")
		return e
	case t.kind == opToken && t.text == "[":
		items := p.list("]", p.expr)
		return exprFunc(func(s *state) any { return &sequence{kind: listKind, items: s.evalAll(items)} })
	case t.kind == opToken && t.text == "{":
		return p.dict()
	}
	p.i--
	p.fail("unexpected %q", t.text)
	return nil
}

// list parses items up to a closing bracket. A comma after the last one is allowed.
func (p *parser) list(end string, parse func() expr) (items []expr) {
	for !p.isOp(end) {
		if len(items) > 0 {
			p.expectOp(",")
			if p.isOp(end) {
				break
			}
		}
		items = append(items, parse())
	}
	p.expectOp(end)
	return items
}

func (p *parser) dict() expr {
	var keys []expr
	values := p.list("}", func() expr {
		keys = append(keys, p.expr())
		p.expectOp(":")
		return p.expr()
	})
	return exprFunc(func(s *state) any {
		d := &dict{}
		for i := range keys {
			k := s.eval(keys[i])
			d.set(s, k, s.eval(values[i]))
		}
		return d
	})
}
