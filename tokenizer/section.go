package tokenizer

import (
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
)

// sectionBytes is about how much of a text is encoded at once, where it can be cut: the pieces of a text take far more memory than the text.
const sectionBytes = 1 << 16

// wordSplitter is a preTokenizer that makes of a text the same as of its parts, if it is cut between a letter and the white space after it.
type wordSplitter interface {
	// breaks are the white space before which a text can be cut. splits says that a piece always ends there.
	breaks() (space string, splits bool)
}

func (b byteLevelSplit) breaks() (string, bool) {
	if b.prefixSpace { // any other beginning would get a space
		return " ", b.regex
	}
	return " \n", b.regex
}

// wordSplit splits at words: those of a wordPattern, or of BERT.
type wordSplit struct{ splitFunc }

func (wordSplit) breaks() (string, bool) { return " \n", true }

// digitSplit is a Split at digits, which leaves words as they are.
type digitSplit struct{ splitFunc }

func (digitSplit) breaks() (string, bool) { return " \n", false }

var (
	_ wordSplitter = byteLevelSplit{}
	_ wordSplitter = wordSplit{}
	_ wordSplitter = digitSplit{}
)

// sectionBreaks are the white space before which, after a letter, a text can be cut; "" where that would change its tokens or, with full, which of them
// are of one piece.
func (t *Tokenizer) sectionBreaks(full bool) string {
	m, ok := t.model.(*bpe)
	breaks, split := " \n", ok && m.characters && !full
	for _, pt := range t.preTokenizers {
		w, ok := pt.(wordSplitter)
		if !ok {
			return ""
		}
		space, splits := w.breaks()
		if _, maps := pt.(byteLevelSplit); maps && !splits && !split { // white space is not what it was
			return ""
		}
		split = split || splits
		if len(space) < len(breaks) {
			breaks = space
		}
	}
	if !split {
		return ""
	}
	return breaks
}

// cutSection moves a section of a text, given as pieces, to dst: all of them, unless they are longer and can be cut.
func (t *Tokenizer) cutSection(dst, text []piece, full bool) (section, rest []piece) {
	breaks := ""
	if bytesOf(text) > 2*sectionBytes {
		breaks = t.sectionBreaks(full)
	}
	if breaks == "" {
		return append(dst, text...), nil
	}
	for room := sectionBytes; len(text) > 0 && room > 0; {
		p := text[0]
		end := len(p.s)
		if p.id == noToken {
			end = sectionEnd(p.s, room, breaks)
		}
		room -= end
		if end < len(p.s) {
			text[0] = p.slice(end, len(p.s))
			return append(dst, p.slice(0, end)), text
		}
		dst, text = append(dst, p), text[1:]
	}
	return dst, text
}

// sectionEnd is the first place after n bytes of a text where it can be cut before one of breaks, or its end.
func sectionEnd(s string, n int, breaks string) int {
	for i := n; i < len(s); i++ {
		at := strings.IndexAny(s[i:], breaks)
		if at < 0 {
			break
		}
		i += at
		if r, _ := utf8.DecodeLastRuneInString(s[:i]); charclass.IsLetter(r) {
			return i
		}
	}
	return len(s)
}
