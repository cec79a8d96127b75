package jinja

import (
	"math"
	"strconv"
	"strings"
)

func intFilter(s *state, v any, a arguments) any {
	args := s.bind("int", a, 0, []string{"default", "base"}, int64(0), int64(10))
	if i, f, isInt, ok := number(v); ok {
		if isInt {
			return i
		}
		if math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) > 1<<62 {
			return args[0]
		}
		return int64(f)
	}
	switch v := v.(type) {
	case *undefined:
		s.fail("%s is undefined", v.name)
	case string:
		text, base := strings.TrimFunc(v, pySpace), s.index("base", args[1])
		if base < 0 || base > 36 || base == 1 {
			return args[0]
		}
		digits := strings.ToLower(text)
		if p := map[int]string{2: "0b", 8: "0o", 16: "0x"}[base]; p != "" {
			digits = strings.TrimPrefix(digits, p)
		}
		if i, err := strconv.ParseInt(strings.ReplaceAll(digits, "_", ""), base, 64); err == nil {
			return i
		}
		if f, ok := pyParseFloat(text); ok && math.Abs(f) < 1<<62 {
			return int64(f)
		}
	}
	return args[0]
}

func floatFilter(s *state, v any, a arguments) any {
	args := s.bind("float", a, 0, []string{"default"}, 0.0)
	if _, f, _, ok := number(v); ok {
		return f
	}
	switch v := v.(type) {
	case *undefined:
		s.fail("%s is undefined", v.name)
	case string:
		if f, ok := pyParseFloat(strings.TrimFunc(v, pySpace)); ok {
			return f
		}
	}
	return args[0]
}

// pyParseFloat is Python's float of a string.
func pyParseFloat(text string) (float64, bool) {
	if strings.ContainsAny(text, "xXpP") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil || math.IsInf(f, 0) && text != ""
}

func absFilter(s *state, v any, a arguments) any {
	s.bind("abs", a, 0, nil)
	if s.compareOp("<", v, int64(0)) {
		return s.sign("-", v)
	}
	return s.sign("+", v)
}

func roundFilter(s *state, v any, a arguments) any {
	args := s.bind("round", a, 0, []string{"precision", "method"}, int64(0), "common")
	i, f, isInt, ok := number(v)
	prec := s.index("precision", args[0])
	if !ok || prec < -300 || prec > 300 {
		s.fail("round: cannot round %s to %d digits", s.typeName(v), prec)
	}
	scale := math.Pow(10, float64(prec))
	switch args[1] {
	case "ceil":
		return math.Ceil(f*scale) / scale
	case "floor":
		return math.Floor(f*scale) / scale
	case "common":
	default:
		s.fail("round: the method must be common, ceil or floor")
	}
	if isInt && prec >= 0 {
		return i
	}
	if prec < 0 {
		if f = math.RoundToEven(f*scale) / scale; isInt {
			return int64(f)
		}
		return f
	}
	f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', prec, 64), 64)
	return f
}
