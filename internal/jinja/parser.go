package jinja

import "fmt"

// parser reads tokens, as Jinja 2's parser does. Its methods for expressions are in parse_expr.go and parse_postfix.go,
// those for statements in parse_stmt.go.
type parser struct {
	toks  []token
	i     int
	depth int
	loops int             // how many loops are around the current statement, within its macro
	names map[string]bool // the names that were read since the macro began

	generation bool // there is a generation tag
}

// maxNesting bounds how deeply expressions and blocks are nested in a template.
const maxNesting = 200

func newParser(src string) *parser { return &parser{toks: lex(src), names: map[string]bool{}} }

func (p *parser) cur() token { return p.toks[p.i] }

// look returns the token after the current one.
func (p *parser) look() token { return p.toks[min(p.i+1, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != endOfText {
		p.i++
	}
	return t
}

func (p *parser) fail(format string, args ...any) {
	panic(&Error{Line: p.cur().line, Message: fmt.Sprintf(format, args...)})
}

func (p *parser) isOp(op string) bool {
	t := p.cur()
	return t.kind == opToken && t.text == op
}

func (p *parser) isName(name string) bool {
	t := p.cur()
	return t.kind == nameToken && t.text == name
}

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.i++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expectOp(op string) {
	if !p.skipOp(op) {
		p.fail("want %q, have %q", op, p.cur().text)
	}
}

func (p *parser) expectName() string {
	if p.cur().kind != nameToken {
		p.fail("want a name, have %q", p.cur().text)
	}
	return p.next().text
}

func (p *parser) expect(kind tokenKind) {
	if p.next().kind != kind {
		p.i--
		p.fail("unexpected %q", p.cur().text)
	}
}

// enter guards a recursion. Defer the result.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxNesting {
		p.fail("nested deeper than %d", maxNesting)
	}
	return func() { p.depth-- }
}
