package jinja

import (
	"slices"
	"strconv"
	"strings"
)

func listFilter(s *state, v any, a arguments) any {
	s.bind("list", a, 0, nil)
	return &sequence{items: slices.Clone(s.iterate(v))}
}

func firstFilter(s *state, v any, a arguments) any {
	s.bind("first", a, 0, nil)
	if seq, ok := v.(*sequence); ok && seq.kind == iteratorKind && len(seq.items) > 0 {
		first := seq.items[0]
		seq.items = seq.items[1:]
		return first
	}
	if items := s.iterate(v); len(items) > 0 {
		return items[0]
	}
	return &undefined{"the first item of an empty sequence"}
}

func lastFilter(s *state, v any, a arguments) any {
	s.bind("last", a, 0, nil)
	if seq, ok := v.(*sequence); ok && seq.kind == iteratorKind {
		s.fail("a generator is not reversible")
	}
	if items := s.iterate(v); len(items) > 0 {
		return items[len(items)-1]
	}
	return &undefined{"the last item of an empty sequence"}
}

func joinFilter(s *state, v any, a arguments) any {
	args := s.bind("join", a, 0, []string{"d", "attribute"}, "", nil)
	items := s.iterate(v)
	if args[1] != nil {
		items = s.project(items, args[1])
	}
	return s.join(items, s.text(args[0]))
}

// project takes an attribute of each item.
func (s *state) project(items []any, attribute any) []any {
	s.charge(len(items) * itemWork)
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = s.path(item, attribute)
	}
	return out
}

// path follows an attribute such as a.b.0. For None it returns the item itself.
func (s *state) path(item, attribute any) any {
	name, ok := attribute.(string)
	if attribute == nil {
		return item
	}
	if !ok {
		return s.getItem(item, attribute)
	}
	for part := range strings.SplitSeq(name, ".") {
		if n, err := strconv.ParseUint(part, 10, 31); err == nil {
			item = s.getItem(item, int64(n))
		} else {
			item = s.getItem(item, part)
		}
	}
	return item
}

// fold returns what items are sorted by: an attribute, in lower case unless cases is set.
func (s *state) fold(items []any, attribute any, cases bool) []any {
	keys := s.project(items, attribute)
	for i, k := range keys {
		if text, ok := k.(string); ok && !cases {
			s.charge(len(text))
			keys[i] = strings.ToLower(text)
		}
	}
	return keys
}

func itemsFilter(s *state, v any, a arguments) any {
	s.bind("items", a, 0, nil)
	switch v := v.(type) {
	case *undefined:
		return &sequence{kind: iteratorKind}
	case *dict:
		return &sequence{kind: iteratorKind, items: s.pairs(v)}
	}
	s.fail("can only get item pairs from a mapping")
	return nil
}

func dictsortFilter(s *state, v any, a arguments) any {
	args := s.bind("dictsort", a, 0, []string{"case_sensitive", "by", "reverse"}, false, "key", false)
	d, ok := v.(*dict)
	by := slices.Index([]any{"key", "value"}, args[1])
	if !ok || by < 0 {
		s.fail("dictsort: want a mapping, sorted by key or value")
	}
	return s.sorted(s.pairs(d), []any{int64(by)}, s.truth(args[0]), s.truth(args[2]))
}

func sortFilter(s *state, v any, a arguments) any {
	args := s.bind("sort", a, 0, []string{"reverse", "case_sensitive", "attribute"}, false, false, nil)
	attributes := []any{args[2]}
	if text, ok := args[2].(string); ok {
		attributes = nil
		for name := range strings.SplitSeq(text, ",") {
			attributes = append(attributes, name)
		}
	}
	return s.sorted(s.iterate(v), attributes, s.truth(args[1]), s.truth(args[0]))
}

// sorted sorts items by attributes. The sort is stable.
func (s *state) sorted(items []any, attributes []any, cases, reverse bool) any {
	keys := make([][]any, len(attributes))
	for i, attribute := range attributes {
		keys[i] = s.fold(items, attribute, cases)
	}
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		for _, k := range keys {
			if !s.equal(k[a], k[b]) {
				if reverse {
					a, b = b, a
				}
				return s.order(k[a], k[b])
			}
		}
		return 0
	})
	out := &sequence{items: make([]any, len(items))}
	for i, j := range order {
		out.items[i] = items[j]
	}
	return out
}

func uniqueFilter(s *state, v any, a arguments) any {
	args := s.bind("unique", a, 0, []string{"case_sensitive", "attribute"}, false, nil)
	items := s.iterate(v)
	seen := map[any]bool{}
	out := &sequence{kind: iteratorKind}
	for i, k := range s.fold(items, args[1], s.truth(args[0])) {
		if key := s.key(k); !seen[key] {
			seen[key] = true
			out.items = append(out.items, items[i])
		}
	}
	return out
}

func reverseFilter(s *state, v any, a arguments) any {
	s.bind("reverse", a, 0, nil)
	if text, ok := v.(string); ok {
		runes := s.runes(text)
		slices.Reverse(runes)
		return string(runes)
	}
	items := slices.Clone(s.iterate(v))
	slices.Reverse(items)
	return &sequence{kind: iteratorKind, items: items}
}

// extremeFilter makes the filter min (op is <) or max (op is >).
func extremeFilter(op string) filter {
	return func(s *state, v any, a arguments) any {
		args := s.bind("min", a, 0, []string{"case_sensitive", "attribute"}, false, nil)
		items := s.iterate(v)
		if len(items) == 0 {
			return &undefined{"no aggregated item, the sequence was empty"}
		}
		keys, best := s.fold(items, args[1], s.truth(args[0])), 0
		for i := range keys {
			if i > 0 && s.compareOp(op, keys[i], keys[best]) {
				best = i
			}
		}
		return items[best]
	}
}

func sumFilter(s *state, v any, a arguments) any {
	args := s.bind("sum", a, 0, []string{"attribute", "start"}, nil, int64(0))
	total := args[1]
	for _, item := range s.project(s.iterate(v), args[0]) {
		total = s.arith("+", total, item)
	}
	return total
}

// itemsOf are the items for map, select and their kin, to which none, false and 0 are empty.
func (s *state) itemsOf(v any) []any {
	if !s.truth(v) {
		return nil
	}
	return s.iterate(v)
}

func mapFilter(s *state, v any, a arguments) any {
	items := s.itemsOf(v)
	out := &sequence{kind: iteratorKind, items: make([]any, len(items))}
	s.charge(len(items) * itemWork)
	if len(a.pos) == 0 {
		args := s.bind("map", a, 1, []string{"attribute", "default"}, nil)
		for i, item := range items {
			out.items[i] = s.path(item, args[0])
			if _, ok := out.items[i].(*undefined); ok && args[1] != nil {
				out.items[i] = args[1]
			}
		}
		return out
	}
	name := s.str("the name of a filter", a.pos[0])
	for i, item := range items {
		out.items[i] = s.filter(name, item, arguments{a.pos[1:], a.kw})
	}
	return out
}

// selectFilter makes select (want is true) or reject. With attribute, it looks at an attribute of each item.
func selectFilter(attribute, want bool) filter {
	return func(s *state, v any, a arguments) any {
		out := &sequence{kind: iteratorKind}
		items := s.itemsOf(v)
		if len(items) == 0 {
			return out
		}
		keys := items
		if attribute {
			if len(a.pos) == 0 {
				s.fail("selectattr: want the name of an attribute")
			}
			keys = s.project(items, a.pos[0])
			a.pos = a.pos[1:]
		}
		for i, item := range items {
			ok := false
			if len(a.pos) == 0 {
				ok = s.truth(keys[i])
			} else {
				ok = s.test(s.str("the name of a test", a.pos[0]), keys[i], arguments{a.pos[1:], a.kw})
			}
			if ok == want {
				out.items = append(out.items, item)
			}
		}
		return out
	}
}

func groupbyFilter(s *state, v any, a arguments) any {
	args := s.bind("groupby", a, 1, []string{"attribute", "default", "case_sensitive"}, nil, false)
	items := s.sorted(s.iterate(v), []any{args[0]}, s.truth(args[2]), false).(*sequence).items
	out := &sequence{}
	var group *sequence
	var last any
	for i, k := range s.fold(items, args[0], s.truth(args[2])) {
		if group == nil || !s.equal(k, last) {
			group, last = &sequence{}, k
			out.items = append(out.items, &sequence{kind: tupleKind, group: true, items: []any{s.path(items[i], args[0]), group}})
		}
		group.items = append(group.items, items[i])
	}
	return out
}

func batchFilter(s *state, v any, a arguments) any {
	args := s.bind("batch", a, 1, []string{"linecount", "fill_with"}, nil)
	n := s.index("linecount", args[0])
	items := s.iterate(v)
	out := &sequence{kind: iteratorKind}
	if n <= 0 {
		s.fail("batch: linecount is %d, want 1 or more", n)
	}
	for chunk := range slices.Chunk(items, n) {
		batch := &sequence{items: slices.Clone(chunk)}
		if missing := n - len(chunk); missing > 0 && args[1] != nil {
			batch = s.concat(batch, s.repeat(&sequence{items: []any{args[1]}}, int64(missing), nil)).(*sequence)
		}
		out.items = append(out.items, batch)
	}
	return out
}

func sliceFilter(s *state, v any, a arguments) any {
	args := s.bind("slice", a, 1, []string{"slices", "fill_with"}, nil)
	n := s.index("slices", args[0])
	items := s.iterate(v)
	if n <= 0 || n > maxRange {
		s.fail("slice: %d slices, want 1 to %d", n, maxRange)
	}
	s.charge(n * itemWork)
	out := &sequence{kind: iteratorKind}
	each, more, at := len(items)/n, len(items)%n, 0
	for i := range n {
		end := at + each + btoi(i < more)
		part := slices.Clone(items[at:end])
		if at = end; args[1] != nil && more > 0 && i >= more {
			part = append(part, args[1])
		}
		out.items = append(out.items, &sequence{items: part})
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
