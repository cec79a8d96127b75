package jinja

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// text is Python's str of v. It is what a template prints.
func (s *state) text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *undefined:
		return ""
	}
	return s.repr(v)
}

// repr is Python's repr of v.
func (s *state) repr(v any) string {
	var b strings.Builder
	s.writeRepr(&b, v)
	return b.String()
}

func (s *state) writeRepr(b *strings.Builder, v any) {
	s.enter()
	defer s.leave()
	start := b.Len()
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case json.Number:
		b.WriteString(string(v))
	case float64:
		b.WriteString(pyFloat(v))
	case string:
		pyQuote(b, v)
	case *undefined:
		b.WriteString("Undefined")
	case *sequence:
		s.reprSeq(b, v)
		return
	case *dict:
		s.reprDict(b, v)
		return
	case *namespaceObject:
		b.WriteString("<Namespace ")
		s.reprDict(b, &v.dict)
		b.WriteString(">")
		return
	default:
		fmt.Fprintf(b, "<%s>", s.typeName(v))
	}
	s.sized(b.Len())
	s.work += start // the work is what was written now, not all of b
}

func (s *state) reprSeq(b *strings.Builder, v *sequence) {
	ends := []string{"[]", "()", "[]", "[]", "<>"}[v.kind]
	switch v.kind {
	case rangeKind:
		if n := len(v.items); n > 0 {
			fmt.Fprintf(b, "range(%v, %v)", v.items[0], v.items[n-1].(int64)+1)
		} else {
			b.WriteString("range(0, 0)")
		}
		return
	case iteratorKind:
		b.WriteString("<generator>")
		return
	case viewKind:
		b.WriteString("dict_" + v.view + "(")
		defer b.WriteByte(')')
	}
	b.WriteByte(ends[0])
	for i, item := range v.items {
		if i > 0 {
			b.WriteString(", ")
		}
		s.writeRepr(b, item)
	}
	if v.kind == tupleKind && len(v.items) == 1 {
		b.WriteByte(',')
	}
	b.WriteByte(ends[1])
}

func (s *state) reprDict(b *strings.Builder, d *dict) {
	b.WriteByte('{')
	for i, k := range d.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		s.writeRepr(b, k)
		b.WriteString(": ")
		s.writeRepr(b, d.values[i])
	}
	b.WriteByte('}')
}

// pyFloat is Python's repr of a float.
func pyFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	sci := strconv.FormatFloat(f, 'e', -1, 64)
	_, e, _ := strings.Cut(sci, "e")
	if exp, _ := strconv.Atoi(e); exp < -4 || exp >= 16 {
		return sci
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// pyQuote writes Python's repr of a string.
func pyQuote(b *strings.Builder, v string) {
	quote := '\''
	if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
		quote = '"'
	}
	b.WriteRune(quote)
	for _, r := range v {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			fmt.Fprintf(b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
}
