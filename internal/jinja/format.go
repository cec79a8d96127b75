package jinja

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var pyDirective = regexp.MustCompile(`%(?:\((\w+)\))?([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?[hlL]?(.)?`)

// maxWidth bounds the width and the precision of formatted values.
const maxWidth = 10000

// percent is Python's template % arg.
func (s *state) percent(template string, arg any) any {
	args, next := []any{arg}, 0
	if t, ok := arg.(*sequence); ok && t.kind == tupleKind {
		args = t.items
	}
	dict, _ := arg.(*dict)
	take := func() any {
		if next >= len(args) {
			s.fail("not enough arguments for format string")
		}
		next++
		return args[next-1]
	}
	number := func(text string) int {
		if text == "" {
			return -1
		}
		n, err := strconv.Atoi(text)
		if text == "*" {
			n, err = s.index("*", take()), nil
		}
		if err != nil || n > maxWidth {
			s.fail("a format of more than %d characters", maxWidth)
		}
		return n
	}
	s.charge(16 * len(template))
	out := pyReplaceAll(pyDirective, template, func(m []string) string {
		if m[5] == "%" {
			return "%"
		}
		width, prec := number(m[3]), number(m[4])
		var v any
		if m[1] != "" {
			if dict == nil {
				s.fail("format requires a mapping")
			}
			v, _ = dict.get(s, m[1])
			next = len(args)
		} else {
			v = take()
		}
		return s.percentValue(v, m[2], width, prec, m[5])
	})
	if next < len(args) && dict == nil {
		s.fail("not all arguments converted during string formatting")
	}
	s.sized(len(out))
	return out
}

// percentValue formats one value of a % template.
func (s *state) percentValue(v any, flags string, width, prec int, verb string) string {
	text := ""
	i, f, isInt, isNum := number(v)
	switch verb {
	case "s", "r", "a":
		if text = s.text(v); verb != "s" {
			text = s.repr(v)
		}
		if r := []rune(text); prec >= 0 && prec < len(r) {
			text = string(r[:prec])
		}
		flags = strings.NewReplacer("0", "", "+", "", " ", "").Replace(flags)
	case "d", "i", "u", "x", "X", "o", "e", "E", "f", "F", "g", "G":
		if !isNum || strings.Contains("xXo", verb) && !isInt {
			s.fail("%%%s format: a number is required, not %s", verb, s.typeName(v))
		}
		if strings.Contains("diu", verb) && !isInt {
			i = int64(f)
		}
		text = pyNumber(i, f, verb, prec, strings.Contains(flags, "#"))
		if sign := strings.Trim(flags, "-0#"); sign != "" && text[0] != '-' {
			text = map[bool]string{true: "+", false: " "}[strings.Contains(sign, "+")] + text
		}
	case "c":
		text = s.text(v)
		if isInt {
			text = string(rune(i))
		}
	default:
		s.fail("unsupported format %q", verb)
	}
	align := byte('>')
	if strings.Contains(flags, "-") {
		align = '<'
	} else if strings.Contains(flags, "0") {
		return pyPad(text, '0', '=', width)
	}
	return pyPad(text, ' ', align, width)
}

// pyNumber formats a number with a verb of % or of str.format.
func pyNumber(i int64, f float64, verb string, prec int, alternate bool) string {
	switch verb {
	case "d", "i", "u":
		return strconv.FormatInt(i, 10)
	case "x", "X", "o", "b":
		format := "%" + verb
		if alternate {
			format = map[string]string{"x": "%#x", "X": "%#X", "o": "%O", "b": "%#b"}[verb]
		}
		return fmt.Sprintf(format, i)
	case "c":
		return string(rune(i))
	}
	if prec < 0 {
		prec = 6
	}
	if verb == "g" || verb == "G" {
		prec = max(prec, 1)
	}
	return fmt.Sprintf("%."+strconv.Itoa(prec)+strings.Replace(verb, "F", "f", 1), f)
}

// pyPad pads text to width. With the alignment '=' the padding goes between the sign and the digits.
func pyPad(text string, fill rune, align byte, width int) string {
	n := width - utf8.RuneCountInString(text)
	if n <= 0 {
		return text
	}
	pad := strings.Repeat(string(fill), n)
	switch align {
	case '<':
		return text + pad
	case '^':
		half := len(string(fill)) * (n / 2)
		return pad[:half] + text + pad[half:]
	case '=':
		if text != "" && strings.IndexByte("+- ", text[0]) >= 0 {
			return text[:1] + pad + text[1:]
		}
	}
	return pad + text
}

// pyReplaceAll is ReplaceAllStringFunc, but f gets the submatches too.
func pyReplaceAll(re *regexp.Regexp, text string, f func(m []string) string) string {
	return re.ReplaceAllStringFunc(text, func(m string) string { return f(re.FindStringSubmatch(m)) })
}

var (
	pyField = regexp.MustCompile(`\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|\{|\}`)
	pySpec  = regexp.MustCompile(`^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?(,|_)?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$`)
	pyPath  = regexp.MustCompile(`^([^.\[]*)((?:\.\w+|\[[^\]]+\])*)$`)
	pyStep  = regexp.MustCompile(`\.(\w+)|\[([^\]]+)\]`)
)

// format is Python's template.format(…).
func (s *state) format(template string, a arguments) any {
	s.charge(16 * len(template))
	auto := 0
	out := pyReplaceAll(pyField, template, func(m []string) string {
		switch m[0] {
		case "{{", "}}":
			return m[0][:1]
		case "{", "}":
			s.fail("single %q in a format string", m[0])
		}
		path := pyPath.FindStringSubmatch(m[1])
		if path == nil {
			s.fail("bad field %q in a format string", m[1])
		}
		v := s.formatArg(path[1], a, &auto)
		for _, step := range pyStep.FindAllStringSubmatch(path[2], -1) {
			if n, err := strconv.ParseInt(step[2], 10, 64); err == nil {
				v = s.getItem(v, n)
			} else {
				v = s.getAttr(v, step[1]+step[2])
			}
		}
		if m[2] != "" && m[2] != "s" {
			v = s.repr(v)
		} else if m[2] == "s" {
			v = s.text(v)
		}
		return s.formatValue(v, m[3])
	})
	s.sized(len(out))
	return out
}

// formatArg finds the argument of a field: numbered, named, or the next one.
func (s *state) formatArg(name string, a arguments, auto *int) any {
	i, err := strconv.Atoi(name)
	if name == "" {
		i, err = *auto, nil
		*auto++
	}
	if err == nil && i < len(a.pos) {
		return a.pos[i]
	}
	for _, kw := range a.kw {
		if kw.name == name {
			return kw.value
		}
	}
	s.fail("format: no argument %q", name)
	return nil
}

// formatValue applies a format specification.
func (s *state) formatValue(v any, spec string) string {
	if spec == "" {
		return s.text(v)
	}
	m := pySpec.FindStringSubmatch(spec)
	if m == nil {
		s.fail("invalid format %q", spec)
	}
	width, _ := strconv.Atoi(m[6])
	prec := -1
	if m[8] != "" {
		prec, _ = strconv.Atoi(m[8])
	}
	if width > maxWidth || prec > maxWidth || len(m[6])+len(m[8]) > 12 {
		s.fail("a format of more than %d characters", maxWidth)
	}
	i, f, isInt, isNum := number(v)
	_, isBool := v.(bool)
	text, align := "", byte('<')
	if isNum && (!isBool || m[9] != "") {
		align = '>'
		text = s.formatNumber(v, i, f, isInt, prec, m)
	} else {
		if text = s.text(v); m[9] != "" && m[9] != "s" {
			s.fail("unknown format code %q for %s", m[9], s.typeName(v))
		}
		if r := []rune(text); prec >= 0 && prec < len(r) {
			text = string(r[:prec])
		}
	}
	fill := ' '
	if m[5] != "" {
		fill = '0'
		if isNum {
			align = '='
		}
	}
	if m[2] != "" {
		if align = m[2][0]; m[1] != "" {
			fill, _ = utf8.DecodeRuneInString(m[1])
		}
	}
	return pyPad(text, fill, align, width)
}

func (s *state) formatNumber(v any, i int64, f float64, isInt bool, prec int, m []string) string {
	verb, text := m[9], ""
	switch {
	case verb == "%":
		text = pyNumber(0, f*100, "f", prec, false) + "%"
	case isInt && (verb == "" || verb == "n"):
		text = pyNumber(i, f, "d", prec, false)
	case isInt && verb != "s" || verb != "" && strings.Contains("eEfFgG", verb):
		text = pyNumber(i, f, verb, prec, m[4] != "")
	case verb != "" && verb != "n":
		s.fail("unknown format code %q for %s", verb, s.typeName(v))
	case prec >= 0:
		text = pyNumber(i, f, "g", prec, false)
	default:
		text = s.text(v)
	}
	if m[7] != "" {
		text = pyGroup(text, m[7])
	}
	if m[3] != "" && m[3] != "-" && text[0] != '-' {
		text = m[3] + text
	}
	return text
}

// pyGroup puts a separator between thousands.
func pyGroup(text, sep string) string {
	n := len(text)
	if i := strings.IndexAny(text, ".e%"); i >= 0 {
		n = i
	}
	for i := n - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + sep + text[i:]
	}
	return text
}
