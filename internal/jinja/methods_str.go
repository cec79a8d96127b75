package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str returns an argument that must be a string. what names it in the error.
func (s *state) str(what string, v any) string {
	text, ok := v.(string)
	if !ok {
		s.fail("%s must be a string, not %s", what, s.typeName(v))
	}
	return text
}

// strings makes a list of strings.
func (s *state) strings(parts []string) any {
	s.charge(len(parts) * itemWork)
	out := &sequence{items: make([]any, len(parts))}
	for i, p := range parts {
		out.items[i] = p
	}
	return out
}

type stringMethod = func(s *state, v string, a arguments) any

var stringMethods map[string]stringMethod

func init() {
	stringMethods = map[string]stringMethod{
		"strip":        stripMethod(strings.TrimFunc),
		"lstrip":       stripMethod(strings.TrimLeftFunc),
		"rstrip":       stripMethod(strings.TrimRightFunc),
		"upper":        textMethod(pyUpper),
		"lower":        textMethod(strings.ToLower),
		"casefold":     textMethod(strings.ToLower),
		"capitalize":   textMethod(pyCapitalize),
		"title":        textMethod(pyTitle),
		"swapcase":     textMethod(func(v string) string { return strings.Map(pySwapCase, v) }),
		"isdigit":      runeMethod(unicode.IsDigit),
		"isdecimal":    runeMethod(unicode.IsDigit),
		"isnumeric":    runeMethod(unicode.IsNumber),
		"isalpha":      runeMethod(unicode.IsLetter),
		"isalnum":      runeMethod(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
		"isspace":      runeMethod(pySpace),
		"isupper":      boolMethod(func(v string) bool { return v == pyUpper(v) && v != strings.ToLower(v) }),
		"islower":      boolMethod(func(v string) bool { return v == strings.ToLower(v) && v != pyUpper(v) }),
		"istitle":      boolMethod(func(v string) bool { return v == pyTitle(v) && strings.ToLower(v) != v }),
		"isascii":      boolMethod(func(v string) bool { return utf8.RuneCountInString(v) == len(v) }),
		"startswith":   affixMethod(strings.HasPrefix),
		"endswith":     affixMethod(strings.HasSuffix),
		"removeprefix": cutMethod(strings.TrimPrefix),
		"removesuffix": cutMethod(strings.TrimSuffix),
		"find":         findMethod(strings.Index, false),
		"rfind":        findMethod(strings.LastIndex, false),
		"index":        findMethod(strings.Index, true),
		"rindex":       findMethod(strings.LastIndex, true),
		"split":        splitMethod(false),
		"rsplit":       splitMethod(true),
		"partition":    partitionMethod(strings.Index, false),
		"rpartition":   partitionMethod(strings.LastIndex, true),
		"ljust":        padMethod('<'),
		"rjust":        padMethod('>'),
		"center":       padMethod('^'),
		"zfill":        padMethod('='),
		"splitlines":   linesMethod,
		"join":         joinMethod,
		"replace":      replaceMethod,
		"count":        countMethod,
		"format": func(s *state, v string, a arguments) any {
			return s.format(v, a)
		},
	}
}

func textMethod(f func(string) string) stringMethod {
	return func(s *state, v string, a arguments) any {
		s.bind("the method", a, 0, nil)
		return f(v)
	}
}

func boolMethod(f func(string) bool) stringMethod {
	return func(s *state, v string, a arguments) any {
		s.bind("the method", a, 0, nil)
		return f(v)
	}
}

// runeMethod makes a method that is true if the text is not empty and f holds for each of its characters.
func runeMethod(f func(rune) bool) stringMethod {
	return boolMethod(func(v string) bool {
		return v != "" && strings.IndexFunc(v, func(r rune) bool { return !f(r) }) < 0
	})
}

func stripMethod(trim func(string, func(rune) bool) string) stringMethod {
	return func(s *state, v string, a arguments) any {
		chars := s.bind("strip", a, 0, []string{"chars"}, nil)[0]
		if chars == nil {
			return trim(v, pySpace)
		}
		set := s.str("the argument of strip", chars)
		runes := map[rune]bool{}
		for _, r := range s.runes(set) {
			runes[r] = true
		}
		return trim(v, func(r rune) bool { return runes[r] })
	}
}

// affixMethod makes startswith or endswith. The argument may be a string or a tuple of strings.
func affixMethod(has func(string, string) bool) stringMethod {
	return func(s *state, v string, a arguments) any {
		args := s.bind("startswith", a, 1, []string{"affix", "start", "end"}, nil, nil)
		if args[1] != nil || args[2] != nil {
			v = s.slice(v, slice{args[1], args[2], nil}).(string)
		}
		affixes := []any{args[0]}
		if t, ok := args[0].(*sequence); ok && t.kind == tupleKind {
			affixes = t.items
		}
		return slices.ContainsFunc(affixes, func(x any) bool { return has(v, s.str("the argument of startswith", x)) })
	}
}

func cutMethod(cut func(string, string) string) stringMethod {
	return func(s *state, v string, a arguments) any {
		return cut(v, s.str("the argument", s.bind("removeprefix", a, 1, []string{"affix"})[0]))
	}
}

func findMethod(find func(string, string) int, must bool) stringMethod {
	return func(s *state, v string, a arguments) any {
		args := s.bind("find", a, 1, []string{"sub", "start", "end"}, nil, nil)
		sub, skipped := s.str("the argument of find", args[0]), 0
		if args[1] != nil || args[2] != nil {
			skipped, _, _ = s.bounds(slice{args[1], args[2], nil}, utf8.RuneCountInString(v))
			v = s.slice(v, slice{args[1], args[2], nil}).(string)
		}
		i := find(v, sub)
		if i < 0 && must {
			s.fail("substring not found")
		}
		if i < 0 {
			return int64(-1)
		}
		return int64(utf8.RuneCountInString(v[:i]) + skipped)
	}
}

func partitionMethod(find func(string, string) int, right bool) stringMethod {
	return func(s *state, v string, a arguments) any {
		sep := s.str("a separator", s.bind("partition", a, 1, []string{"sep"})[0])
		if sep == "" {
			s.fail("empty separator")
		}
		parts := []any{v, "", ""}
		if i := find(v, sep); i >= 0 {
			parts = []any{v[:i], sep, v[i+len(sep):]}
		} else if right {
			parts = []any{"", "", v}
		}
		return &sequence{kind: tupleKind, items: parts}
	}
}

func padMethod(align byte) stringMethod {
	return func(s *state, v string, a arguments) any {
		args := s.bind("the method", a, 1, []string{"width", "fillchar"}, " ")
		fill := s.str("the fill character", args[1])
		if align == '=' {
			fill = "0"
		}
		r, n := utf8.DecodeRuneInString(fill)
		width := s.index("the width", args[0])
		if n == 0 || n != len(fill) || width > maxText/4 {
			s.fail("padding: want one fill character and a width of at most %d, have width %d", maxText/4, width)
		}
		s.sized(max(width, 0))
		count := utf8.RuneCountInString(v)
		if extra := width - count; align == '^' && extra > 0 { // CPython puts the odd space on the left if the width is odd
			left := extra/2 + (extra & width & 1)
			return pyPad(pyPad(v, r, '>', count+left), r, '<', width)
		}
		return pyPad(v, r, align, width)
	}
}

func linesMethod(s *state, v string, a arguments) any {
	keep := s.truth(s.bind("splitlines", a, 0, []string{"keepends"}, false)[0])
	return s.strings(pyLines(v, keep))
}

func joinMethod(s *state, v string, a arguments) any {
	items := s.iterate(s.bind("join", a, 1, []string{"iterable"})[0])
	for _, item := range items {
		s.str("an element to join", item)
	}
	return s.join(items, v)
}

// join concatenates items as text.
func (s *state) join(items []any, sep string) string {
	n := 0
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = s.text(item)
		n += len(parts[i]) + len(sep)
		if n > maxText {
			s.sized(n)
		}
	}
	s.sized(n)
	return strings.Join(parts, sep)
}

func replaceMethod(s *state, v string, a arguments) any {
	args := s.bind("replace", a, 2, []string{"old", "new", "count"}, int64(-1))
	return s.replace(v, s.str("old", args[0]), s.str("new", args[1]), s.index("count", args[2]))
}

func (s *state) replace(v, old, repl string, count int) string {
	s.charge(len(v))
	n := strings.Count(v, old)
	if count >= 0 {
		n = min(n, count)
	}
	if len(repl) > 0 && n > maxText/len(repl) {
		s.sized(maxText + 1)
	}
	s.sized(len(v) + n*max(0, len(repl)-len(old)))
	return strings.Replace(v, old, repl, count)
}

func countMethod(s *state, v string, a arguments) any {
	args := s.bind("count", a, 1, []string{"sub", "start", "end"}, nil, nil)
	v = s.slice(v, slice{args[1], args[2], nil}).(string)
	return int64(strings.Count(v, s.str("the argument of count", args[0])))
}

// splitMethod makes split, or rsplit if right is set.
func splitMethod(right bool) stringMethod {
	return func(s *state, v string, a arguments) any {
		args := s.bind("split", a, 0, []string{"sep", "maxsplit"}, nil, int64(-1))
		most := s.index("maxsplit", args[1])
		if args[0] == nil {
			return s.strings(pyFields(v, most, right))
		}
		sep := s.str("a separator", args[0])
		if sep == "" {
			s.fail("empty separator")
		}
		if most < 0 {
			return s.strings(strings.Split(v, sep))
		}
		if !right {
			return s.strings(strings.SplitN(v, sep, most+1))
		}
		parts := []string{}
		for range most {
			i := strings.LastIndex(v, sep)
			if i < 0 {
				break
			}
			parts = append(parts, v[i+len(sep):])
			v = v[:i]
		}
		parts = append(parts, v)
		slices.Reverse(parts)
		return s.strings(parts)
	}
}
