package jinja

// globals are the functions that every template can call.
var globals = map[string]func(s *state, a arguments) any{
	"raise_exception": func(s *state, a arguments) any {
		message := s.text(s.bind("raise_exception", a, 1, []string{"message"})[0])
		panic(&Error{Line: s.line, Message: message, Raised: true})
	},
	"strftime_now": func(s *state, a arguments) any {
		format := s.str("the format", s.bind("strftime_now", a, 1, []string{"format"})[0])
		if len(format) > maxWidth {
			s.fail("strftime_now: a format of %d bytes; the limit is %d", len(format), maxWidth)
		}
		return strftime(s.now(), format)
	},
	"range": rangeGlobal,
	"namespace": func(s *state, a arguments) any {
		return &namespaceObject{*dictGlobal(s, a).(*dict)}
	},
	"dict": dictGlobal,
	"joiner": func(s *state, a arguments) any {
		sep, used := s.bind("joiner", a, 0, []string{"sep"}, ", ")[0], false
		return &function{"joiner", func(*state, arguments) any {
			if !used {
				used = true
				return ""
			}
			return sep
		}}
	},
	"cycler": func(s *state, a arguments) any {
		if len(a.pos) == 0 || len(a.kw) > 0 {
			s.fail("cycler: at least one item has to be provided")
		}
		return &cycler{items: a.pos}
	},
}

func rangeGlobal(s *state, a arguments) any {
	if len(a.pos) == 0 || len(a.pos) > 3 || len(a.kw) > 0 {
		s.fail("range takes one to three arguments")
	}
	start, stop, step := 0, s.index("range", a.pos[0]), 1
	if len(a.pos) > 1 {
		start, stop = stop, s.index("range", a.pos[1])
	}
	if len(a.pos) > 2 {
		step = s.index("range", a.pos[2])
	}
	const most = 1 << 60
	if step == 0 || max(start, -start, stop, -stop, step, -step) > most {
		s.fail("range(%d, %d, %d): a bound is too large, or the step is zero", start, stop, step)
	}
	count := max(0, (stop-start+step-1)/step)
	if step < 0 {
		count = max(0, (start-stop-step-1)/-step)
	}
	if count > maxRange {
		s.fail("range too big: %d; the limit is %d", count, maxRange)
	}
	s.charge(count * itemWork)
	out := &sequence{kind: rangeKind, items: make([]any, count)}
	for i := range out.items {
		out.items[i] = int64(start + i*step)
	}
	return out
}

// dictGlobal makes a dictionary from another one or from pairs, and from keyword arguments.
func dictGlobal(s *state, a arguments) any {
	out := &dict{}
	if len(a.pos) > 1 {
		s.fail("dict takes one argument and keywords")
	}
	for _, v := range a.pos {
		var pairs []any
		if d, ok := v.(*dict); ok {
			pairs = s.pairs(d)
		} else {
			pairs = s.iterate(v)
		}
		for _, pair := range pairs {
			kv := s.iterate(pair)
			if len(kv) != 2 {
				s.fail("dict: want pairs of key and value")
			}
			out.set(s, kv[0], kv[1])
		}
	}
	for _, kw := range a.kw {
		out.set(s, kw.name, kw.value)
	}
	return out
}

// cycler goes round and round a list of items.
type cycler struct {
	items []any
	pos   int
}

func (c *cycler) attribute(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.pos], true
	case "next":
		return &function{name, func(*state, arguments) any {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v
		}}, true
	case "reset":
		return &function{name, func(*state, arguments) any {
			c.pos = 0
			return nil
		}}, true
	}
	return nil, false
}
