package tokenizer

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
)

// wordPattern does the work of the regular expressions that GPT-2 and the models after it split text with. Their
// matches cover the whole text.
type wordPattern struct {
	gpt2      bool // GPT-2's pattern, else Llama 3's
	maxDigits int  // digits in a number; 0: any number
}

const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// wordPatterns are the patterns that are recognised, by their text.
var wordPatterns = map[string]wordPattern{
	gpt2Pattern: {gpt2: true},
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: {maxDigits: 3},
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`:       {maxDigits: 3}, // GPT-4, the same words
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:      {maxDigits: 1},
}

// Classes of characters.
const (
	classOther = iota
	classLetter
	classNumber
	classSpace
)

// classes are the classes of the characters below 0x10000.
var classes = sync.OnceValue(func() *[1 << 16]uint8 {
	t := new([1 << 16]uint8)
	for r := range rune(len(t)) {
		t[r] = classify(r)
	}
	return t
})

func classify(r rune) uint8 {
	switch {
	case charclass.IsLetter(r):
		return classLetter
	case charclass.IsNumber(r):
		return classNumber
	case unicode.IsSpace(r):
		return classSpace
	}
	return classOther
}

// classedText is what the patterns look at: a string and the classes.
type classedText struct {
	s     string
	table *[1 << 16]uint8
}

// at is the character at byte i, its class and its length; 0 at the end.
func (t classedText) at(i int) (r rune, class uint8, n int) {
	if i >= len(t.s) {
		return 0, classOther, 0
	}
	if c := t.s[i]; c < utf8.RuneSelf {
		return rune(c), t.table[c], 1
	}
	r, n = utf8.DecodeRuneInString(t.s[i:])
	if r < 1<<16 {
		return r, t.table[r], n
	}
	return r, classify(r), n
}

// run is the end of the run of a class from byte i, of limit characters at most (0: any number).
func (t classedText) run(i int, class uint8, limit int) int {
	for count := 0; limit == 0 || count < limit; count++ {
		_, c, n := t.at(i)
		if n == 0 || c != class {
			break
		}
		i += n
	}
	return i
}

func (w wordPattern) split(dst []piece, p piece) []piece {
	w.matches(p.s, func(i, j int) { dst = append(dst, p.slice(i, j)) })
	return dst
}

func (w wordPattern) matches(s string, yield func(i, j int)) {
	t := classedText{s, classes()}
	for i := 0; i < len(s); {
		j := w.next(t, i)
		yield(i, j)
		i = j
	}
}

// next is the end of the match that starts at i.
func (w wordPattern) next(t classedText, i int) int {
	r, class, n := t.at(i)
	if r == '\'' {
		if j := w.contraction(t.s, i+1); j > 0 {
			return j
		}
	}
	if class == classLetter {
		return t.run(i+n, classLetter, 0)
	}
	if class == classNumber {
		return t.run(i, classNumber, w.maxDigits)
	}
	j := i // where the word itself begins, after a space or another character
	if _, after, _ := t.at(i + n); w.leads(r, after) && i+n < len(t.s) {
		j, class = i+n, after
	}
	switch class {
	case classSpace:
		return w.spaces(t, i)
	case classOther:
		j = t.run(j, classOther, 0)
		if !w.gpt2 {
			j = t.newlines(j)
		}
		return j
	}
	return t.run(j, class, 0)
}

// leads says whether r goes with a word of class after that follows it: a space with any, in Llama 3 with all but
// numbers, and there letters also take any character that is not a line break.
func (w wordPattern) leads(r rune, after uint8) bool {
	if !w.gpt2 && after == classLetter {
		return r != '\r' && r != '\n'
	}
	return r == ' ' && after != classSpace && (w.gpt2 || after != classNumber)
}

// newlines is the end of the line breaks from byte i.
func (t classedText) newlines(i int) int {
	for i < len(t.s) && (t.s[i] == '\r' || t.s[i] == '\n') {
		i++
	}
	return i
}

// spaces is the end of the white space from byte i that belongs together: up to the last line break in it (Llama 3),
// else all of it at the end of the text, else all but its last character.
func (w wordPattern) spaces(t classedText, i int) int {
	j, last, line := i, i, 0
	for {
		r, class, n := t.at(j)
		if n == 0 || class != classSpace {
			break
		}
		last = j
		j += n
		if r == '\r' || r == '\n' {
			line = j
		}
	}
	switch {
	case !w.gpt2 && line > 0:
		return line
	case j == len(t.s) || last == i:
		return j
	}
	return last
}

// contraction is the end of an English contraction whose apostrophe is before byte i, or 0. Llama 3's may be in
// capitals, and ſ is an s.
func (w wordPattern) contraction(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	fold := func(c byte) byte {
		if !w.gpt2 && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	switch c := fold(s[i]); c {
	case 's', 't', 'm', 'd':
		return i + 1
	case 'r', 'v', 'l':
		second := byte('e')
		if c == 'l' {
			second = 'l'
		}
		if i+1 < len(s) && fold(s[i+1]) == second {
			return i + 2
		}
	}
	if !w.gpt2 && strings.HasPrefix(s[i:], "ſ") {
		return i + len("ſ")
	}
	return 0
}
