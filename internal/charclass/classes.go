package charclass

import (
	"unicode"
	"unicode/utf8"
)

// IsLetter is \p{L}.
func IsLetter(r rune) bool { return unicode.IsLetter(r) || unicode.Is(NewLetters, r) }

// IsNumber is \p{N}.
func IsNumber(r rune) bool { return unicode.IsNumber(r) || unicode.Is(newNumbers, r) }

// IsDigit is what the pre-tokenizer Digits splits at.
func IsDigit(r rune) bool { return IsNumber(r) || unicode.Is(newestNumbers, r) }

// IsWord is \w: letters, marks, digits and connectors.
func IsWord(r rune) bool {
	if r < 128 {
		return r == '_' || '0' <= r && r <= '9' || 'a' <= r|32 && r|32 <= 'z'
	}
	return IsLetter(r) || unicode.IsMark(r) || r == 0x200C || r == 0x200D ||
		unicode.In(r, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, newWord)
}

// IsPunctuation is what BERT splits off.
func IsPunctuation(r rune) bool {
	if r < 128 {
		return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~'
	}
	return unicode.IsPunct(r) && !unicode.Is(notYetPunctuation, r) || unicode.Is(oncePunctuation, r)
}

// IsNonspacing is a mark that BERT strips off letters.
func IsNonspacing(r rune) bool {
	return unicode.Is(unicode.Mn, r) && !unicode.Is(notYetNonspacing, r) || unicode.Is(onceNonspacing, r)
}

// IsMark is a mark that the normalizer StripAccents strips off letters.
func IsMark(r rune) bool {
	return unicode.IsMark(r) && !unicode.Is(notYetMark, r) || unicode.Is(onceMark, r)
}

// IsControl is what BERT's cleaning removes.
func IsControl(r rune) bool {
	if r == '\t' || r == '\n' || r == '\r' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && !unicode.Is(notYetControl, r) || r == utf8.RuneError
}

// IsChinese is a character that BERT puts spaces around.
func IsChinese(r rune) bool { return r >= 0x3400 && unicode.Is(chinese, r) }

// chinese has the blocks that BERT's code lists, with its gap at 2B820.
var chinese = ranges(0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xF900, 0xFAFF,
	0x20000, 0x2A6DF, 0x2A700, 0x2B73F, 0x2B740, 0x2B81F, 0x2B920, 0x2CEAF, 0x2F800, 0x2FA1F)

// ranges makes a table of pairs of first and last characters.
func ranges(pairs ...rune) *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for i := 0; i < len(pairs); i += 2 {
		lo, hi := uint32(pairs[i]), uint32(pairs[i+1])
		if lo <= 0xFFFF && hi <= 0xFFFF {
			t.R16 = append(t.R16, unicode.Range16{Lo: uint16(lo), Hi: uint16(hi), Stride: 1})
		} else {
			t.R32 = append(t.R32, unicode.Range32{Lo: lo, Hi: hi, Stride: 1})
		}
	}
	return t
}

// RuneLen is the number of bytes of the first character of s.
func RuneLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// IsASCIILetter is a letter from A to Z or a to z.
func IsASCIILetter(r rune) bool { return 'a' <= r|32 && r|32 <= 'z' && r < utf8.RuneSelf }
