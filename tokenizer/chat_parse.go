package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// jinjaMaxNesting bounds how deep expressions and blocks nest in a template.
const jinjaMaxNesting = 200

// jinjaExpr is an expression; the parser compiles a template to closures.
type jinjaExpr interface{ eval(s *jinjaState) any }

type jinjaExprFunc func(s *jinjaState) any

func (f jinjaExprFunc) eval(s *jinjaState) any { return f(s) }

// jinjaArgExprs are the arguments of a call.
type jinjaArgExprs struct {
	pos       []jinjaExpr
	names     []string
	values    []jinjaExpr
	star, kws jinjaExpr
}

// jinjaCallExpr is a node of its own since {% call %} adds an argument to it.
type jinjaCallExpr struct {
	fn   jinjaExpr
	args jinjaArgExprs
}

// jinjaParser is Jinja 2's parser for expressions (here) and statements (chat_stmt.go).
type jinjaParser struct {
	toks  []jinjaToken
	i     int
	depth int
	loops int             // loops around the current statement, within its macro
	names map[string]bool // names read since the macro began
}

func jinjaParse(src string) []jinjaStmt {
	p := &jinjaParser{toks: jinjaLex(src), names: map[string]bool{}}
	return p.body()
}

func (p *jinjaParser) cur() jinjaToken { return p.toks[p.i] }

// look returns the token after the current one.
func (p *jinjaParser) look() jinjaToken { return p.toks[min(p.i+1, len(p.toks)-1)] }

func (p *jinjaParser) next() jinjaToken {
	t := p.toks[p.i]
	if t.kind != jinjaEOF {
		p.i++
	}
	return t
}

func (p *jinjaParser) fail(format string, args ...any) {
	panic(jinjaError{fmt.Sprintf("line %d: ", p.cur().line) + fmt.Sprintf(format, args...)})
}

func (p *jinjaParser) isOp(op string) bool {
	t := p.cur()
	return t.kind == jinjaOp && t.text == op
}

func (p *jinjaParser) isName(name string) bool {
	t := p.cur()
	return t.kind == jinjaName && t.text == name
}

func (p *jinjaParser) skipOp(op string) bool {
	if p.isOp(op) {
		p.i++
		return true
	}
	return false
}

func (p *jinjaParser) skipName(name string) bool {
	if p.isName(name) {
		p.i++
		return true
	}
	return false
}

func (p *jinjaParser) expectOp(op string) {
	if !p.skipOp(op) {
		p.fail("want %q, have %q", op, p.cur().text)
	}
}

func (p *jinjaParser) expectName() string {
	if p.cur().kind != jinjaName {
		p.fail("want a name, have %q", p.cur().text)
	}
	return p.next().text
}

func (p *jinjaParser) expect(kind jinjaTokenKind) {
	if p.next().kind != kind {
		p.i--
		p.fail("unexpected %q", p.cur().text)
	}
}

// enter guards a recursion; defer the result.
func (p *jinjaParser) enter() func() {
	if p.depth++; p.depth > jinjaMaxNesting {
		p.fail("nested deeper than %d", jinjaMaxNesting)
	}
	return func() { p.depth-- }
}

// tuple parses an expression, or several with commas between them: a tuple.
func (p *jinjaParser) tuple(parse func() jinjaExpr, parens bool) jinjaExpr {
	var items []jinjaExpr
	isTuple := false
	for {
		t := p.cur()
		if t.kind == jinjaVarEnd || t.kind == jinjaBlockEnd || p.isOp(")") || len(items) > 0 && p.isName("recursive") {
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
	return jinjaExprFunc(func(s *jinjaState) any { return &jinjaSeq{kind: jinjaTuple, items: s.evalAll(items)} })
}

// expr parses an expression with conditional expressions.
func (p *jinjaParser) expr() jinjaExpr {
	defer p.enter()()
	e := p.or()
	for p.skipName("if") {
		then, cond, other := e, p.or(), jinjaExpr(nil)
		if p.skipName("else") {
			other = p.expr()
		}
		e = jinjaExprFunc(func(s *jinjaState) any {
			switch {
			case s.truth(s.eval(cond)):
				return s.eval(then)
			case other != nil:
				return s.eval(other)
			}
			return &jinjaUndefined{"the inline if-expression without else"}
		})
	}
	return e
}

func (p *jinjaParser) or() jinjaExpr {
	left := p.and()
	for p.skipName("or") {
		a, b := left, p.and()
		left = jinjaExprFunc(func(s *jinjaState) any {
			if v := s.eval(a); s.truth(v) {
				return v
			}
			return s.eval(b)
		})
	}
	return left
}

func (p *jinjaParser) and() jinjaExpr {
	left := p.not()
	for p.skipName("and") {
		a, b := left, p.not()
		left = jinjaExprFunc(func(s *jinjaState) any {
			if v := s.eval(a); !s.truth(v) {
				return v
			}
			return s.eval(b)
		})
	}
	return left
}

func (p *jinjaParser) not() jinjaExpr {
	if !p.skipName("not") {
		return p.compare()
	}
	defer p.enter()()
	e := p.not()
	return jinjaExprFunc(func(s *jinjaState) any { return !s.truth(s.eval(e)) })
}

// compare parses a chain of comparisons: a < b <= c is a < b and b <= c.
func (p *jinjaParser) compare() jinjaExpr {
	first := p.binary(0)
	var ops []string
	var operands []jinjaExpr
	for {
		t := p.cur()
		switch {
		case t.kind == jinjaOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			p.i++
			ops = append(ops, t.text)
		case p.skipName("in"):
			ops = append(ops, "in")
		case p.isName("not") && p.look().kind == jinjaName && p.look().text == "in":
			p.i += 2
			ops = append(ops, "not in")
		case len(ops) == 0:
			return first
		default:
			return jinjaExprFunc(func(s *jinjaState) any {
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

// jinjaBinary lists the binary operators from the loosest to the tightest; all bind to the left, ** too.
var jinjaBinary = [][]string{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *jinjaParser) binary(level int) jinjaExpr {
	if level == len(jinjaBinary) {
		return p.unary(true)
	}
	left := p.binary(level + 1)
	for {
		t := p.cur()
		if t.kind != jinjaOp || !slices.Contains(jinjaBinary[level], t.text) {
			return left
		}
		p.i++
		a, b, op := left, p.binary(level+1), t.text
		left = jinjaExprFunc(func(s *jinjaState) any {
			x := s.eval(a)
			return s.arith(op, x, s.eval(b))
		})
	}
}

func (p *jinjaParser) unary(filters bool) jinjaExpr {
	defer p.enter()()
	var e jinjaExpr
	if p.isOp("-") || p.isOp("+") {
		op := p.next().text
		operand := p.unary(false)
		e = jinjaExprFunc(func(s *jinjaState) any { return s.sign(op, s.eval(operand)) })
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

func jinjaConst(v any) jinjaExpr { return jinjaExprFunc(func(*jinjaState) any { return v }) }

func (p *jinjaParser) primary() jinjaExpr {
	t := p.next()
	switch {
	case t.kind == jinjaName:
		switch t.text {
		case "true", "True", "false", "False":
			return jinjaConst(t.text == "true" || t.text == "True")
		case "none", "None":
			return jinjaConst(nil)
		}
		p.names[t.text] = true
		return jinjaExprFunc(func(s *jinjaState) any { return s.lookup(t.text) })
	case t.kind == jinjaNumber:
		return jinjaConst(t.num)
	case t.kind == jinjaString:
		parts := []string{t.text}
		for p.cur().kind == jinjaString {
			parts = append(parts, p.next().text)
		}
		return jinjaConst(strings.Join(parts, ""))
	case t.kind == jinjaOp && t.text == "(":
		e := p.tuple(p.expr, true)
		p.expectOp(")")
		return e
	case t.kind == jinjaOp && t.text == "[":
		items := p.list("]", p.expr)
		return jinjaExprFunc(func(s *jinjaState) any { return &jinjaSeq{kind: jinjaList, items: s.evalAll(items)} })
	case t.kind == jinjaOp && t.text == "{":
		return p.dict()
	}
	p.i--
	p.fail("unexpected %q", t.text)
	return nil
}

// list parses elements up to a closing bracket; a last comma is fine.
func (p *jinjaParser) list(end string, parse func() jinjaExpr) (items []jinjaExpr) {
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

func (p *jinjaParser) dict() jinjaExpr {
	var keys []jinjaExpr
	values := p.list("}", func() jinjaExpr {
		keys = append(keys, p.expr())
		p.expectOp(":")
		return p.expr()
	})
	return jinjaExprFunc(func(s *jinjaState) any {
		d := &jinjaDict{}
		for i := range keys {
			k := s.eval(keys[i])
			d.set(s, k, s.eval(values[i]))
		}
		return d
	})
}
