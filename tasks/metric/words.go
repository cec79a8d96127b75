package metric

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// The published scorers are written in Python. These are Python's lower, split and idea of a letter in a word.

func lower(s string) string { return cases.Lower(language.Und).String(s) }

func words(s string) []string { return strings.FieldsFunc(s, isBlank) }

func isBlank(r rune) bool { return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f) }

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
