package jinja

import (
	"cmp"
	"slices"
	"strings"
)

// Trace is a rendered text, and where parts of it come from. Ranges are in bytes.
type Trace struct {
	Text string
	// Generation are the ranges between {% generation %} and {% endgeneration %}, in order; none overlaps another.
	Generation [][2]int
	// Items are the ranges that turns of loops have printed, each for one object of the list that was named. They are
	// in order; those that begin at the same place are ordered from the longest to the shortest. A range may lie inside
	// another one.
	Items []ItemRange
}

// ItemRange is what one turn of a loop printed for an item of a list.
type ItemRange struct{ Item, Start, End int }

// output is a text that is being printed.
type output struct {
	strings.Builder
	marks []mark
}

// mark says that a range comes from an item of the list, or from a generation tag.
type mark struct{ item, start, end int }

// generated is the item of a mark for a generation tag.
const generated = -1

// mark marks what was printed from a place on.
func (o *output) mark(item, from int) {
	if o.Len() > from {
		o.marks = append(o.marks, mark{item, from, o.Len()})
	}
}

// trace sorts the marks.
func (o *output) trace() Trace {
	t := Trace{Text: o.String()}
	slices.SortStableFunc(o.marks, func(a, b mark) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	for _, m := range o.marks {
		switch n := len(t.Generation); {
		case m.item != generated:
			t.Items = append(t.Items, ItemRange{m.item, m.start, m.end})
		case n > 0 && m.start < t.Generation[n-1][1]:
			t.Generation[n-1][1] = max(t.Generation[n-1][1], m.end)
		default:
			t.Generation = append(t.Generation, [2]int{m.start, m.end})
		}
	}
	return t
}

// tracer follows the items of a list through a rendering.
type tracer struct {
	items    map[*dict]int
	turn     *int         // the item that the innermost turn of a loop is about, or noItem
	captured []markedText // the results of macros and blocks that have not been printed yet
}

// noItem says that a turn of a loop is about none of the items.
const noItem = -1

// markedText is what a macro or a block returned, with its marks.
type markedText struct {
	text  string
	marks []mark
}

// follow makes the items of a list known.
func (t *tracer) follow(list any) {
	seq, ok := list.(*sequence)
	if !ok {
		return
	}
	t.items = map[*dict]int{}
	for i, v := range seq.items {
		if d, ok := v.(*dict); ok {
			t.items[d] = i
		}
	}
}

// item is the number of an item of the list, or noItem.
func (t *tracer) item(v any) int {
	if d, ok := v.(*dict); ok {
		if i, ok := t.items[d]; ok {
			return i
		}
	}
	return noItem
}

// assigned hears of {% set name = v %}. A loop over numbers takes its item so: {% set message = messages[i] %}.
func (t *tracer) assigned(v any) {
	if t.turn != nil && *t.turn == noItem {
		*t.turn = t.item(v)
	}
}

// turn runs the body of a loop for an item, and marks what it prints.
func (s *state) turn(v any, body []stmt) flow {
	outer, out, from := s.trace.turn, s.out, s.out.Len()
	item := s.trace.item(v)
	s.trace.turn = &item
	control := s.run(body)
	s.trace.turn = outer
	if item != noItem {
		out.mark(item, from)
	}
	return control
}

// placeMarks looks for captured texts in a text that is about to be printed, and takes their marks over. White space at
// their ends may be gone.
func (s *state) placeMarks(text string) {
	if len(s.trace.captured) == 0 || text == "" {
		return
	}
	at, rest := 0, s.trace.captured[:0]
	for _, c := range s.trace.captured {
		s.charge(len(text) - at + len(c.text))
		cut := 0
		i := strings.Index(text[at:], c.text)
		if i < 0 {
			trimmed := strings.TrimSpace(c.text)
			cut = strings.Index(c.text, trimmed)
			if i = strings.Index(text[at:], trimmed); i < 0 || trimmed == "" {
				rest = append(rest, c)
				continue
			}
			c.text = trimmed
		}
		at += i
		for _, m := range c.marks {
			m.start, m.end = max(m.start-cut, 0), min(m.end-cut, len(c.text))
			if m.start < m.end {
				s.out.marks = append(s.out.marks, mark{m.item, s.out.Len() + at + m.start, s.out.Len() + at + m.end})
			}
		}
		at += len(c.text)
	}
	s.trace.captured = rest
}
