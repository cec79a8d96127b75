package jinja

import (
	"strings"
	"unicode/utf8"
)

// getItem is obj[key] in Jinja. What does not exist is undefined.
func (s *state) getItem(obj, key any) any {
	if sl, ok := key.(slice); ok {
		return s.slice(obj, sl)
	}
	switch v := obj.(type) {
	case *undefined:
		s.fail("%s is undefined", v.name)
	case *dict:
		hashable := true
		switch k := key.(type) {
		case *sequence:
			hashable = k.kind == tupleKind
		case *dict:
			hashable = false
		}
		if hashable {
			if x, ok := v.get(s, key); ok {
				return x
			}
		}
	case *sequence:
		if i, _, isInt, _ := number(key); isInt && v.kind <= rangeKind {
			if i < 0 {
				i += int64(len(v.items))
			}
			if i >= 0 && i < int64(len(v.items)) {
				return v.items[i]
			}
		}
	case string:
		if i, _, isInt, _ := number(key); isInt {
			runes := s.runes(v)
			if i < 0 {
				i += int64(len(runes))
			}
			if i >= 0 && i < int64(len(runes)) {
				return string(runes[i])
			}
		}
	}
	if name, ok := key.(string); ok {
		if v, ok := s.attribute(obj, name); ok {
			return v
		}
	}
	return &undefined{s.typeName(obj) + " item " + s.short(key)}
}

// short writes a key for a message.
func (s *state) short(key any) string {
	text := s.repr(key)
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return text
}

// getAttr is obj.name in Jinja: an attribute, or else an item.
func (s *state) getAttr(obj any, name string) any {
	if u, ok := obj.(*undefined); ok {
		s.fail("%s is undefined", u.name)
	}
	if v, ok := s.attribute(obj, name); ok {
		return v
	}
	if d, ok := obj.(*dict); ok {
		if v, ok := d.get(s, name); ok {
			return v
		}
	}
	return &undefined{s.typeName(obj) + " attribute " + s.short(name)}
}

func (s *state) runes(v string) []rune {
	s.charge(4 * len(v))
	return []rune(v)
}

// slice is obj[start:stop:step].
func (s *state) slice(obj any, sl slice) any {
	switch v := obj.(type) {
	case string:
		s.charge(len(v))
		if utf8.RuneCountInString(v) == len(v) && (sl.step == nil || sl.step == int64(1)) {
			start, n, _ := s.bounds(sl, len(v))
			return v[start : start+n]
		}
		runes := s.runes(v)
		start, n, step := s.bounds(sl, len(runes))
		out := make([]rune, n)
		for i := range out {
			out[i] = runes[start+i*step]
		}
		return string(out)
	case *sequence:
		if v.kind <= rangeKind {
			start, n, step := s.bounds(sl, len(v.items))
			s.charge(n * itemWork)
			out := &sequence{kind: v.kind, items: make([]any, n)}
			for i := range out.items {
				out.items[i] = v.items[start+i*step]
			}
			return out
		}
	case *undefined:
		s.fail("%s is undefined", v.name)
	}
	return &undefined{s.typeName(obj) + " slice"}
}

// bounds returns the first index, the count and the step of a slice of a sequence of length n.
func (s *state) bounds(sl slice, n int) (start, count, step int) {
	step = 1
	if sl.step != nil {
		step = s.index("a slice's step", sl.step)
	}
	if step == 0 {
		s.fail("the step of a slice is zero")
	}
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	clamp := func(v any, def int) int {
		if v == nil {
			return def
		}
		i := s.index("a slice's bound", v)
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	if step < 0 {
		start = clamp(sl.start, high)
		if stop := clamp(sl.stop, low); stop < start {
			step = max(step, -n-1)
			count = (start - stop - step - 1) / -step
		}
		return max(start, 0), count, step
	}
	start = clamp(sl.start, low)
	if stop := clamp(sl.stop, high); stop > start {
		step = min(step, n+1)
		count = (stop - start + step - 1) / step
	}
	return start, count, step
}
