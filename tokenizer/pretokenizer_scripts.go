package tokenizer

import (
	"unicode"

	"github.com/spagotune/spagotune/internal/charclass"
)

// splitScripts splits where the script of the letters changes. Japanese syllables count as Han. Spaces and characters
// without a script go with what is before them. If nothing is before them they are lost, as in the tokenizers library.
func splitScripts(dst []piece, p piece) []piece {
	start, last := len(p.s), ""
	for i, r := range p.s {
		s := scriptOf(r)
		if s == "" {
			continue
		}
		if last != s {
			dst = appendSlice(dst, p, start, i)
			start = i
		}
		last = s
	}
	return appendSlice(dst, p, start, len(p.s))
}

// scriptOf returns the name of r's script, "" if it has none.
func scriptOf(r rune) string {
	if charclass.IsASCIILetter(r) {
		return "Latin"
	}
	if r == ' ' || unicode.Is(charclass.NotYetScript, r) {
		return ""
	}
	if r == 0x30FC || unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) {
		return "Han"
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return ""
}
