package jinja

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSource bounds the size of a template in bytes. Real ones have about 20 KB.
const maxSource = 1 << 20

type tokenKind int

const (
	endOfText tokenKind = iota
	dataToken
	varBegin
	varEnd
	blockBegin
	blockEnd
	nameToken
	stringToken
	numberToken
	opToken
)

// token is one token. text is the decoded string of a literal, num the value of a number.
type token struct {
	kind tokenKind
	text string
	num  any
	line int
}

var (
	rawBegin     = regexp.MustCompile(`^\{%([-+]?)\s*raw\s*(?:-%\}\s*|%\})`)
	rawEnd       = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)`)
	floatPattern = regexp.MustCompile(`^(?i)(\d+_)*\d+((\.(\d+_)*\d+)?e[+\-]?(\d+_)*\d+|\.(\d+_)*\d+)`)
	intPattern   = regexp.MustCompile(`^(?i)(0b(_?[01])+|0o(_?[0-7])+|0x(_?[\da-f])+|[1-9](_?\d)*|0(_?0)*)`)
	newlines     = strings.NewReplacer("\r\n", "\n", "\r", "\n")
)

// lexer follows the lexer of Jinja 2, with trim_blocks and lstrip_blocks on.
type lexer struct {
	src  string
	pos  int
	line int
	toks []token
}

// lex cuts a template into tokens. Like the parser and the interpreter, it panics with an *Error.
func lex(src string) []token {
	if len(src) > maxSource {
		panic(&Error{Message: fmt.Sprintf("%d bytes of template; the limit is %d", len(src), maxSource)})
	}
	l := &lexer{src: strings.TrimSuffix(newlines.Replace(src), "\n"), line: 1}
	for l.pos < len(l.src) {
		l.root()
	}
	l.emit(endOfText, "")
	return l.toks
}

func (l *lexer) fail(format string, args ...any) {
	panic(&Error{Line: l.line, Message: fmt.Sprintf(format, args...)})
}

func (l *lexer) emit(kind tokenKind, text string) {
	l.toks = append(l.toks, token{kind: kind, text: text, line: l.line})
}

// skip moves to pos and counts lines.
func (l *lexer) skip(pos int) {
	l.line += strings.Count(l.src[l.pos:pos], "\n")
	l.pos = pos
}

// skipSpace skips white space.
func (l *lexer) skipSpace() {
	rest := strings.TrimLeftFunc(l.src[l.pos:], pySpace)
	l.skip(len(l.src) - len(rest))
}

// root reads the text up to the next tag, then the tag.
func (l *lexer) root() {
	at := l.pos
	for {
		i := strings.IndexByte(l.src[at:], '{')
		if i < 0 || at+i+1 >= len(l.src) {
			l.emit(dataToken, l.src[l.pos:])
			l.pos = len(l.src)
			return
		}
		at += i
		if strings.IndexByte("{%#", l.src[at+1]) >= 0 {
			break
		}
		at++
	}
	kind, open, sign := l.src[at+1], at+2, byte(0)
	if open < len(l.src) && (l.src[open] == '-' || l.src[open] == '+') {
		sign = l.src[open]
		open++
	}
	l.data(at, sign, kind != '{')
	if m := rawBegin.FindString(l.src[at:]); m != "" {
		l.skip(at + len(m))
		l.raw()
		return
	}
	l.skip(open)
	switch kind {
	case '#':
		l.comment()
	case '%':
		l.emit(blockBegin, "")
		l.tag("%}", blockEnd)
	default:
		l.emit(varBegin, "")
		l.tag("}}", varEnd)
	}
}

// data emits the text before the tag at end. The tag's sign and lstrip_blocks decide what is stripped.
func (l *lexer) data(end int, sign byte, block bool) {
	text := l.src[l.pos:end]
	lineStart := l.pos == 0 || l.src[l.pos-1] == '\n'
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, pySpace)
	case sign != '+' && block:
		last := strings.LastIndexByte(text, '\n') + 1
		if (last > 0 || lineStart) && strings.TrimLeftFunc(text[last:], pySpace) == "" {
			text = text[:last]
		}
	}
	if text != "" {
		l.emit(dataToken, text)
	}
	l.skip(end)
}

func (l *lexer) raw() {
	m := rawEnd.FindStringSubmatchIndex(l.src[l.pos:])
	if m == nil {
		l.fail("raw block without an end")
	}
	sign := byte(0)
	if m[2] < m[3] {
		sign = l.src[l.pos+m[2]]
	}
	start := l.pos
	l.data(start+m[0], sign, true)
	l.skip(start + m[1])
}

func (l *lexer) comment() {
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		l.fail("comment without an end")
	}
	sign := byte(0)
	if i > 0 {
		sign = l.src[l.pos+i-1]
	}
	l.skip(l.pos + i + 2)
	l.afterBlock(sign)
}

// afterBlock skips what the end of a block with this sign removes.
func (l *lexer) afterBlock(sign byte) {
	if sign == '-' {
		l.skipSpace()
	} else if sign != '+' && strings.HasPrefix(l.src[l.pos:], "\n") {
		l.skip(l.pos + 1)
	}
}

// tagEnd reads the end of a tag if it is next.
func (l *lexer) tagEnd(end string, kind tokenKind) bool {
	rest, sign := l.src[l.pos:], byte(0)
	if rest != "" && (rest[0] == '-' || rest[0] == '+' && kind == blockEnd) && strings.HasPrefix(rest[1:], end) {
		sign = rest[0]
		l.pos++
	} else if !strings.HasPrefix(rest, end) {
		return false
	}
	l.emit(kind, "")
	l.pos += len(end)
	if kind == blockEnd || sign == '-' {
		l.afterBlock(sign)
	}
	return true
}

// tag reads the tokens of a tag up to its end.
func (l *lexer) tag(end string, kind tokenKind) {
	var open []byte
	for {
		if len(open) == 0 && l.tagEnd(end, kind) {
			return
		}
		if l.pos >= len(l.src) {
			l.fail("tag without an end, %s", end)
		}
		r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
		switch c := l.src[l.pos]; {
		case pySpace(r):
			l.skipSpace()
		case c >= '0' && c <= '9':
			l.number()
		case c == '_' || unicode.IsLetter(r):
			l.name()
		case c == '\'' || c == '"':
			l.str(c)
		default:
			open = l.op(open)
		}
	}
}

func (l *lexer) name() {
	rest := l.src[l.pos:]
	n := strings.IndexFunc(rest, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if n < 0 {
		n = len(rest)
	}
	l.emit(nameToken, rest[:n])
	l.pos += n
}

func (l *lexer) number() {
	rest := l.src[l.pos:]
	text, num := "", any(nil)
	var err error
	if text = floatPattern.FindString(rest); text != "" && l.src[l.pos-1] != '.' {
		num, err = strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil && !math.IsInf(num.(float64), 0) {
			l.fail("%s: %v", text, err)
		}
	} else {
		text = intPattern.FindString(rest)
		if num, err = strconv.ParseInt(text, 0, 64); err != nil && strings.Trim(text, "0_") != "" {
			l.fail("%s: %v", text, err)
		}
	}
	l.toks = append(l.toks, token{kind: numberToken, text: text, num: num, line: l.line})
	l.pos += len(text)
}

func (l *lexer) str(quote byte) {
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			text, ok := pyUnescape(l.src[l.pos+1 : i])
			if !ok {
				l.fail("bad escape in a string")
			}
			l.emit(stringToken, text)
			l.skip(i + 1)
			return
		}
	}
	l.fail("string without an end")
}

// op reads an operator. open is the stack of open brackets, as the brackets that close them.
func (l *lexer) op(open []byte) []byte {
	c, n := l.src[l.pos], 1
	if l.pos+1 < len(l.src) {
		switch l.src[l.pos : l.pos+2] {
		case "//", "**", "==", "!=", ">=", "<=":
			n = 2
		}
	}
	if n == 1 && strings.IndexByte("+-/*%~[](){}><=.:|,;", c) < 0 {
		r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
		l.fail("unexpected character %q", r)
	}
	l.emit(opToken, l.src[l.pos:l.pos+n])
	l.pos += n
	switch c {
	case '(':
		return append(open, ')')
	case '[':
		return append(open, ']')
	case '{':
		return append(open, '}')
	case ')', ']', '}':
		if len(open) == 0 || open[len(open)-1] != c {
			l.fail("unexpected %q", c)
		}
		return open[:len(open)-1]
	}
	return open
}

// pyUnescape decodes the escapes of a Python string literal. Unknown escapes stay as they are.
func pyUnescape(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if j := strings.IndexByte("abfnrtv\\'\"\n", s[i]); j >= 0 {
			b.WriteString([]string{"\a", "\b", "\f", "\n", "\r", "\t", "\v", "\\", "'", "\"", ""}[j])
			continue
		}
		digits, base, n := "", 16, map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		switch {
		case n > 0:
			if i+n >= len(s) {
				return "", false
			}
			digits = s[i+1 : i+1+n]
			i += n
		case s[i] >= '0' && s[i] <= '7':
			base = 8
			for n = 1; n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7'; n++ {
			}
			digits = s[i : i+n]
			i += n - 1
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
			continue
		}
		v, err := strconv.ParseUint(digits, base, 32)
		if err != nil || v > unicode.MaxRune {
			return "", false
		}
		b.WriteRune(rune(v))
	}
	return b.String(), true
}

// pySpace is Python's str.isspace for one character.
func pySpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
