package jinja

import "slices"

// forLoop is a for statement.
type forLoop struct {
	target      func(s *state, v any)
	cond        expr
	body, empty []stmt
	recursive   bool
}

// loopVariable is the variable "loop" of a running for statement.
type loopVariable struct {
	loop    *forLoop
	scope   *variables
	items   []any
	index   int
	depth   int
	changed []any
}

func (f *forLoop) run(s *state, v any, depth int) flow {
	outer := s.scope
	defer func() { s.scope = outer }()
	items := s.iterate(v)
	if f.cond != nil {
		kept := []any{}
		for _, item := range items {
			s.scope = &variables{up: outer}
			if f.target(s, item); s.truth(s.eval(f.cond)) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	loop := &loopVariable{loop: f, scope: outer, items: items, depth: depth}
	completed := false
	for i, item := range items {
		s.charge(stepWork)
		loop.index = i
		s.scope = &variables{up: outer}
		s.scope.set("loop", loop)
		f.target(s, item)
		control := s.turn(item, f.body)
		if control == breakLoop {
			break
		}
		completed = completed || control == next
	}
	if !completed { // as in Jinja, this also runs if every turn ends with break or continue
		s.scope = &variables{up: outer}
		return s.run(f.empty)
	}
	return next
}

// recurse runs the loop on other items and returns what it prints.
func (l *loopVariable) recurse(s *state, v any) any {
	s.enter()
	defer s.leave()
	return s.capture(l.scope, []stmt{func(s *state) flow { return l.loop.run(s, v, l.depth+1) }})
}

// attribute returns an attribute of the variable "loop".
func (l *loopVariable) attribute(_ *state, name string) (any, bool) {
	n := len(l.items)
	item := func(i int) (any, bool) {
		if i < 0 || i >= n {
			return &undefined{"loop." + name}, true
		}
		return l.items[i], true
	}
	switch name {
	case "index":
		return int64(l.index + 1), true
	case "index0":
		return int64(l.index), true
	case "revindex":
		return int64(n - l.index), true
	case "revindex0":
		return int64(n - l.index - 1), true
	case "first":
		return l.index == 0, true
	case "last":
		return l.index == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		return item(l.index - 1)
	case "nextitem":
		return item(l.index + 1)
	case "cycle":
		return &function{name, func(s *state, a arguments) any {
			if len(a.pos) == 0 {
				s.fail("no items for cycling given")
			}
			return a.pos[l.index%len(a.pos)]
		}}, true
	case "changed":
		return &function{name, func(s *state, a arguments) any {
			if l.changed != nil && slices.EqualFunc(l.changed, a.pos, s.equal) {
				return false
			}
			l.changed = slices.Concat([]any{}, a.pos)
			return true
		}}, true
	}
	return nil, false
}
