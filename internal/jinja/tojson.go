package jinja

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf16"
)

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

// toJSON is the filter tojson. It is the one of transformers, not Jinja's.
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

// newline starts a line at this level if there is an indent.
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
			j.s.fail("tojson: %s cannot be a key", j.s.typeName(k))
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

// pyJSONFloat writes a float as Python's json does.
func pyJSONFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return map[int]string{1: "Infinity", -1: "-Infinity"}[cmp.Compare(f, 0)]
	}
	return pyFloat(f)
}
