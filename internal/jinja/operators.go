package jinja

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// equal is Python's ==.
func (s *state) equal(a, b any) bool {
	s.enter()
	defer s.leave()
	if ai, af, aInt, ok := number(a); ok {
		bi, bf, bInt, ok := number(b)
		if aInt && bInt {
			return ok && ai == bi
		}
		return ok && af == bf
	}
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		s.charge(min(len(a), len(b)))
		return ok && a == b
	case *undefined:
		_, ok := b.(*undefined)
		return ok
	case *sequence:
		b, ok := b.(*sequence)
		if a == b || !ok || a.kind != b.kind || a.kind > rangeKind || len(a.items) != len(b.items) {
			return a == b
		}
		return slices.EqualFunc(a.items, b.items, s.equal)
	case *dict:
		b, ok := b.(*dict)
		if a == b || !ok || len(a.keys) != len(b.keys) {
			return a == b
		}
		for i, k := range a.keys {
			if v, ok := b.get(s, k); !ok || !s.equal(a.values[i], v) {
				return false
			}
		}
		return true
	}
	return a == b
}

// order compares a and b for < and the like. An error if Python does not order their types.
func (s *state) order(a, b any) int {
	s.enter()
	defer s.leave()
	if ai, af, aInt, ok := number(a); ok {
		if bi, bf, bInt, ok := number(b); ok {
			if aInt && bInt {
				return cmp.Compare(ai, bi)
			}
			return cmp.Compare(af, bf)
		}
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			s.charge(min(len(a), len(b)))
			return strings.Compare(a, b)
		}
	case *sequence:
		if b, ok := b.(*sequence); ok && a.kind == b.kind && a.kind <= tupleKind {
			for i := range min(len(a.items), len(b.items)) {
				if !s.equal(a.items[i], b.items[i]) {
					return s.order(a.items[i], b.items[i])
				}
			}
			return cmp.Compare(len(a.items), len(b.items))
		}
	}
	s.fail("%s and %s have no order", s.typeName(a), s.typeName(b))
	return 0
}

func (s *state) compareOp(op string, a, b any) bool {
	switch op {
	case "==":
		return s.equal(a, b)
	case "!=":
		return !s.equal(a, b)
	case "in":
		return s.contains(b, a)
	case "not in":
		return !s.contains(b, a)
	}
	if _, f, _, ok := number(a); ok && math.IsNaN(f) {
		return false
	}
	c := s.order(a, b)
	return map[string]bool{"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[op]
}

// contains is Python's "item in v".
func (s *state) contains(v, item any) bool {
	switch v := v.(type) {
	case string:
		sub, ok := item.(string)
		if !ok {
			s.fail("'in <string>' requires a string, not %s", s.typeName(item))
		}
		s.charge(len(v))
		return strings.Contains(v, sub)
	case *dict:
		_, ok := v.get(s, item)
		return ok
	}
	return slices.ContainsFunc(s.iterate(v), func(x any) bool { return s.equal(x, item) })
}

// sign is unary + or -.
func (s *state) sign(op string, v any) any {
	i, f, isInt, ok := number(v)
	if !ok {
		s.fail("bad operand of %s: %s", op, s.typeName(v))
	}
	switch {
	case isInt && op == "-":
		return -i
	case isInt:
		return i
	case op == "-":
		return -f
	}
	return f
}

// arith applies a binary operator other than a comparison.
func (s *state) arith(op string, a, b any) any {
	if op == "~" {
		x, y := s.text(a), s.text(b)
		s.sized(len(x) + len(y))
		return x + y
	}
	if x, ok := a.(string); ok && op == "%" {
		return s.percent(x, b)
	}
	ai, af, aInt, aOK := number(a)
	bi, bf, bInt, bOK := number(b)
	switch {
	case aOK && bOK && aInt && bInt:
		if v, ok := s.intArith(op, ai, bi); ok {
			return v
		}
		return s.floatArith(op, af, bf)
	case aOK && bOK:
		return s.floatArith(op, af, bf)
	case op == "*" && aInt:
		return s.repeat(b, ai, a)
	case op == "*" && bInt:
		return s.repeat(a, bi, b)
	case op == "+":
		return s.concat(a, b)
	}
	s.fail("unsupported operands of %s: %s and %s", op, s.typeName(a), s.typeName(b))
	return nil
}

func (s *state) concat(a, b any) any {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			s.sized(len(x) + len(y))
			return x + y
		}
	case *sequence:
		if y, ok := b.(*sequence); ok && x.kind == y.kind && x.kind <= tupleKind {
			s.charge((len(x.items) + len(y.items)) * itemWork)
			return &sequence{kind: x.kind, items: slices.Concat(x.items, y.items)}
		}
	}
	s.fail("unsupported operands of +: %s and %s", s.typeName(a), s.typeName(b))
	return nil
}

// repeat returns a string or a list n times. other is the operand that n comes from.
func (s *state) repeat(v any, n int64, other any) any {
	n = max(n, 0)
	switch v := v.(type) {
	case string:
		if n > maxText {
			s.fail("text of more than %d bytes", maxText)
		}
		s.sized(len(v) * int(n))
		return strings.Repeat(v, int(n))
	case *sequence:
		if v.kind <= tupleKind {
			if n > maxText {
				s.charge(-1)
			}
			s.charge(len(v.items) * int(n) * itemWork)
			return &sequence{kind: v.kind, items: slices.Repeat(v.items, int(n))}
		}
	}
	s.fail("unsupported operands of *: %s and %s", s.typeName(v), s.typeName(other))
	return nil
}

// intArith computes with integers. ok is false if the result is a float.
func (s *state) intArith(op string, a, b int64) (v any, ok bool) {
	var r int64
	exact := true
	switch op {
	case "+":
		r = a + b
		exact = (r > a) == (b > 0)
	case "-":
		r = a - b
		exact = (r < a) == (b > 0)
	case "*":
		r = a * b
		exact = a == 0 || r/a == b && !(a == -1 && b == math.MinInt64)
	case "//", "%":
		if b == 0 {
			s.fail("division by zero")
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) {
			q, m = q-1, m+b
		}
		if r = q; op == "%" {
			r = m
		}
	case "**":
		if b < 0 {
			return nil, false
		}
		f := math.Pow(float64(a), float64(b))
		if exact = math.Abs(f) < 1<<62; exact {
			r = 1
			for sq := a; b > 0; b, sq = b>>1, sq*sq {
				if b&1 == 1 {
					r *= sq
				}
			}
		}
	default:
		return nil, false
	}
	if !exact {
		s.fail("%d %s %d does not fit into 64 bits", a, op, b)
	}
	return r, true
}

func (s *state) floatArith(op string, a, b float64) any {
	if b == 0 && (op == "/" || op == "//" || op == "%") || a == 0 && b < 0 && op == "**" {
		s.fail("division by zero")
	}
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "//":
		return math.Floor(a / b)
	case "%":
		m := math.Mod(a, b)
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		return m
	}
	return math.Pow(a, b)
}
