package tokenizer

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
)

// wordPattern does the work of the regular expressions by which GPT-2 and later models split text. Their matches cover
// the whole text.
type wordPattern struct {
	gpt2      bool // GPT-2's pattern; otherwise Llama 3's
	maxDigits int  // how many digits a number has at most; 0: any number
}

const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// wordPatterns are the patterns that are recognised.
var wordPatterns = map[string]wordPattern{
	gpt2Pattern: {gpt2: true},
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: {maxDigits: 3},
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`:       {maxDigits: 3}, // GPT-4, the same words
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:      {maxDigits: 1},
}

// The classes of characters.
const (
	classOther = iota
	classLetter
	classNumber
	classSpace
)

// classes has the classes of the characters below 0x10000.
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

// classedText is what the patterns look at: a string, and the classes of characters.
type classedText struct {
	s     string
	table *[1 << 16]uint8
}

// at returns the character at byte i, its class and its length. At the end all are 0.
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

// run returns the end of a run of one class that begins at byte i. It has at most limit characters (0: any number).
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

// next returns the end of the match that begins at i.
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

// leads says whether r belongs to the word of class after that follows it. A space belongs to any word (in Llama 3, to
// any but a number). In Llama 3, any character but a line break belongs to the letters after it.
func (w wordPattern) leads(r rune, after uint8) bool {
	if !w.gpt2 && after == classLetter {
		return r != '\r' && r != '\n'
	}
	return r == ' ' && after != classSpace && (w.gpt2 || after != classNumber)
}

// newlines returns the end of the line breaks that begin at byte i.
func (t classedText) newlines(i int) int {
	for i < len(t.s) && (t.s[i] == '\r' || t.s[i] == '\n') {
		i++
	}
	return i
}

// spaces returns the end of the match in the white space from byte i on: in Llama 3 up to its last line break.
// Otherwise it is all of the white space at the end of the text, and all but its last character elsewhere.
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

// contraction returns the end of an English contraction whose apostrophe is before byte i, or 0. In Llama 3 it may be
// in capitals, and ſ counts as an s.
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
