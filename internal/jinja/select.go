package jinja

import "slices"

// Filters that pick and group elements.

// selectFilter is select or reject, of the items or by an attribute.
func selectFilter(attribute, want bool) filter {
	return func(s *state, v any, a arguments) any {
		out := &sequence{kind: iteratorKind}
		items := s.iterate(v)
		if !s.truth(v) {
			return out
		}
		keys := items
		if attribute {
			if len(a.pos) == 0 {
				s.fail("selectattr: no attribute")
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
		s.fail("batch: linecount is %d", n)
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
		s.fail("slice: %d slices", n)
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

func attrFilter(s *state, v any, a arguments) any {
	name := s.text(s.bind("attr", a, 1, []string{"name"})[0])
	if u, ok := v.(*undefined); ok {
		s.fail("%s is undefined", u.name)
	}
	if x, ok := s.attribute(v, name); ok {
		return x
	}
	return &undefined{s.typeName(v) + " attribute " + s.short(name)}
}
