package jinja

import (
	"strings"
	"unicode"
)

func textFilter(f func(string) string) filter {
	return func(s *state, v any, a arguments) any {
		s.bind("the filter", a, 0, nil)
		text := s.text(v)
		s.charge(8 * len(text))
		return f(text)
	}
}

func escapeHTML(v string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(v)
}

func replaceFilter(s *state, v any, a arguments) any {
	args := s.bind("replace", a, 2, []string{"old", "new", "count"}, nil)
	count := -1
	if args[2] != nil {
		count = s.index("count", args[2])
	}
	return s.replace(s.text(v), s.text(args[0]), s.text(args[1]), count)
}

func indentFilter(s *state, v any, a arguments) any {
	args := s.bind("indent", a, 0, []string{"width", "first", "blank"}, int64(4), false, false)
	pad, ok := args[0].(string)
	if !ok {
		pad = s.repeat(" ", int64(s.index("width", args[0])), nil).(string)
	}
	text := s.text(v)
	s.charge(len(text))
	lines := pyLines(text+"\n", false)
	if len(pad) > 0 && len(lines) > maxText/len(pad) {
		s.sized(maxText + 1)
	}
	s.sized(len(text) + len(lines)*len(pad))
	for i, line := range lines {
		if i == 0 && s.truth(args[1]) || i > 0 && (line != "" || s.truth(args[2])) {
			lines[i] = pad + line
		}
	}
	return strings.Join(lines, "\n")
}

func truncateFilter(s *state, v any, a arguments) any {
	args := s.bind("truncate", a, 0, []string{"length", "killwords", "end", "leeway"}, int64(255), false, "...", int64(5))
	if args[3] == nil {
		args[3] = int64(5)
	}
	runes, end := s.runes(s.text(v)), s.text(args[2])
	length, tail := s.index("length", args[0]), len([]rune(end))
	if length < tail {
		s.fail("truncate: the length is %d, want at least that of the end, %d", length, tail)
	}
	if len(runes) <= length+s.index("leeway", args[3]) {
		return string(runes)
	}
	text := string(runes[:length-tail])
	if i := strings.LastIndexByte(text, ' '); i >= 0 && !s.truth(args[1]) {
		text = text[:i]
	}
	return text + end
}

func wordcountFilter(s *state, v any, a arguments) any {
	s.bind("wordcount", a, 0, nil)
	text := s.text(v)
	s.charge(len(text) * itemWork)
	return int64(len(strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) })))
}

func formatFilter(s *state, v any, a arguments) any {
	if len(a.kw) > 0 && len(a.pos) > 0 {
		s.fail("format: positional and keyword arguments together")
	}
	if len(a.kw) == 0 {
		return s.percent(s.text(v), &sequence{kind: tupleKind, items: a.pos})
	}
	d := &dict{}
	for _, kw := range a.kw {
		d.set(s, kw.name, kw.value)
	}
	return s.percent(s.text(v), d)
}

// titleFilter is the filter title. Unlike str.title, it begins words only after white space, dashes and opening
// brackets.
func titleFilter(v string) string {
	after := false
	return strings.Map(func(r rune) rune {
		splits := pySpace(r) || strings.ContainsRune("-({[<", r)
		defer func() { after = !splits }()
		if after {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, v)
}
