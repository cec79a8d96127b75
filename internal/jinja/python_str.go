package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Python's methods of str that have no equal in Go's package strings.

func pyUpper(v string) string { return strings.ToUpper(strings.ReplaceAll(v, "ß", "SS")) }

func pyCapitalize(v string) string {
	r, n := utf8.DecodeRuneInString(v)
	if n == 0 {
		return v
	}
	return string(unicode.ToTitle(r)) + strings.ToLower(v[n:])
}

// pyTitle writes a letter in upper case if it follows something else than a letter, and in lower case otherwise.
func pyTitle(v string) string {
	after := false
	return strings.Map(func(r rune) rune {
		cased := unicode.IsLetter(r)
		defer func() { after = cased }()
		if after {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, v)
}

func pySwapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

// pyLines is str.splitlines.
func pyLines(v string, keep bool) []string {
	lines := []string{}
	for v != "" {
		i := strings.IndexFunc(v, func(r rune) bool {
			return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
		})
		if i < 0 {
			return append(lines, v)
		}
		_, n := utf8.DecodeRuneInString(v[i:])
		end := i + n
		if strings.HasPrefix(v[i:], "\r\n") {
			end = i + 2
		}
		if keep {
			lines = append(lines, v[:end])
		} else {
			lines = append(lines, v[:i])
		}
		v = v[end:]
	}
	return lines
}

// pyFields is str.split by white space, or str.rsplit if right is set.
func pyFields(v string, most int, right bool) []string {
	if most < 0 {
		return strings.FieldsFunc(v, pySpace)
	}
	trim, find := strings.TrimLeftFunc, strings.IndexFunc
	if right {
		trim, find = strings.TrimRightFunc, strings.LastIndexFunc
	}
	parts := []string{}
	for v = trim(v, pySpace); v != ""; v = trim(v, pySpace) {
		i := find(v, pySpace)
		if i < 0 || len(parts) == most {
			parts = append(parts, v)
			break
		}
		if right {
			rest := strings.TrimLeftFunc(v[i:], pySpace)
			parts, v = append(parts, rest), v[:i]
		} else {
			parts, v = append(parts, v[:i]), v[i:]
		}
	}
	if right {
		slices.Reverse(parts)
	}
	return parts
}
