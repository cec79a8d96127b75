package jinja

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// text is Python's str of v, which is what a template prints.
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
	s.work += start // only what is new was work
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

// jsonWriter writes JSON as Python's json.dumps does.
type jsonWriter struct {
	s          *state
	b          strings.Builder
	ascii      bool
	sortKeys   bool
	pretty     bool
	indent     string
	item, pair string // separators
}

// toJSON is the filter tojson of transformers, which is not Jinja's.
func (s *state) toJSON(v any, a arguments) any {
	args := s.bind("tojson", a, 0, []string{"ensure_ascii", "indent", "separators", "sort_keys"}, false, nil, nil, false)
	j := &jsonWriter{s: s, ascii: s.truth(args[0]), sortKeys: s.truth(args[3]), item: ", ", pair: ": "}
	switch indent := args[1].(type) {
	case nil:
	case string:
		j.pretty, j.indent, j.item = true, indent, ","
	default:
		j.pretty, j.indent, j.item = true, s.repeat(" ", int64(s.index("indent", indent)), nil).(string), ","
	}
	if args[2] != nil {
		seps := s.iterate(args[2])
		if len(seps) != 2 {
			s.fail("tojson: separators must be two strings")
		}
		j.item, j.pair = s.str("separator", seps[0]), s.str("separator", seps[1])
	}
	j.write(v, 0)
	return j.b.String()
}

// newline starts a line at this level where there is an indent.
func (j *jsonWriter) newline(level int) {
	if j.pretty {
		j.s.sized(len(j.indent) * level)
		j.b.WriteByte('\n')
		j.b.WriteString(strings.Repeat(j.indent, level))
	}
}

func (j *jsonWriter) write(v any, level int) {
	j.s.enter()
	defer j.s.leave()
	if j.b.Len() > maxText {
		j.s.sized(j.b.Len())
	}
	switch v := v.(type) {
	case nil:
		j.b.WriteString("null")
	case bool, int64, json.Number:
		fmt.Fprint(&j.b, v)
	case float64:
		j.b.WriteString(pyJSONFloat(v))
	case string:
		j.str(v)
	case *sequence:
		if v.kind > tupleKind {
			j.s.fail("tojson: %s is not JSON serializable", j.s.typeName(v))
		}
		j.list(v.items, level)
	case *dict:
		j.dict(v, level)
	default:
		j.s.fail("tojson: %s is not JSON serializable", j.s.typeName(v))
	}
}

func (j *jsonWriter) list(items []any, level int) {
	j.b.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			j.b.WriteString(j.item)
		}
		j.newline(level + 1)
		j.write(item, level+1)
	}
	if len(items) > 0 {
		j.newline(level)
	}
	j.b.WriteByte(']')
}

func (j *jsonWriter) dict(d *dict, level int) {
	order := make([]int, len(d.keys))
	for i := range order {
		order[i] = i
	}
	if j.sortKeys {
		slices.SortStableFunc(order, func(a, b int) int { return j.s.order(d.keys[a], d.keys[b]) })
	}
	j.b.WriteByte('{')
	for n, i := range order {
		if n > 0 {
			j.b.WriteString(j.item)
		}
		j.newline(level + 1)
		switch k := d.keys[i].(type) {
		case string:
			j.str(k)
		case nil, bool, int64, float64:
			j.b.WriteByte('"')
			j.write(k, level)
			j.b.WriteByte('"')
		default:
			j.s.fail("tojson: a key of type %s", j.s.typeName(k))
		}
		j.b.WriteString(j.pair)
		j.write(d.values[i], level+1)
	}
	if len(order) > 0 {
		j.newline(level)
	}
	j.b.WriteByte('}')
}

func (j *jsonWriter) str(v string) {
	j.s.sized(len(v))
	j.b.WriteByte('"')
	for _, r := range v {
		switch i := strings.IndexRune("\"\\\n\r\t\b\f", r); {
		case i >= 0:
			j.b.WriteByte('\\')
			j.b.WriteByte("\"\\nrtbf"[i])
		case r < 0x20 || j.ascii && r >= 0x7f && r < 0x10000:
			if r == 0x7f {
				j.b.WriteRune(r)
				continue
			}
			fmt.Fprintf(&j.b, `\u%04x`, r)
		case j.ascii && r >= 0x10000:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&j.b, `\u%04x\u%04x`, hi, lo)
		default:
			j.b.WriteRune(r)
		}
	}
	j.b.WriteByte('"')
}

// pyJSONFloat is a float in Python's JSON.
func pyJSONFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return map[int]string{1: "Infinity", -1: "-Infinity"}[cmp.Compare(f, 0)]
	}
	return pyFloat(f)
}
