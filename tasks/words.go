package tasks

import (
	"unicode"
	"unicode/utf8"
)

// splitWords splits a text into words, as ranges of bytes: at white space, with each punctuation mark at the ends of a
// word as a word of its own.
func splitWords(text string) [][2]int {
	var words [][2]int
	from := -1
	for i, r := range text + " " {
		switch {
		case unicode.IsSpace(r) && from >= 0:
			words = append(words, splitMarks(text, from, i)...)
			from = -1
		case !unicode.IsSpace(r) && from < 0:
			from = i
		}
	}
	return words
}

// splitMarks splits the punctuation off both ends of text[from:to].
func splitMarks(text string, from, to int) [][2]int {
	mark := func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	var before, after [][2]int
	for from < to {
		r, n := utf8.DecodeRuneInString(text[from:to])
		if !mark(r) {
			break
		}
		before = append(before, [2]int{from, from + n})
		from += n
	}
	for from < to {
		r, n := utf8.DecodeLastRuneInString(text[from:to])
		if !mark(r) {
			break
		}
		after = append([][2]int{{to - n, to}}, after...)
		to -= n
	}
	if from < to {
		before = append(before, [2]int{from, to})
	}
	return append(before, after...)
}

// characters is the number of characters in the first n bytes of a text.
func characters(text string, n int) int { return utf8.RuneCountInString(text[:n]) }

// wordNumbers counts the words of a text: for each token, whose offsets are in characters, it is the number of its
// word. A token continues the word before it if there is no white space or punctuation between the two. In scripts
// without spaces each character is a word.
func wordNumbers(text string, offsets [][2]int) []int32 {
	runes := []rune(text)
	words := make([]int32, len(offsets))
	n := int32(-1)
	for i, o := range offsets {
		continues := i > 0 && o[0] <= offsets[i-1][1] && o[0] > 0 && o[0] < len(runes) && inWord(runes[o[0]-1]) && inWord(runes[o[0]])
		if !continues {
			n++
		}
		words[i] = n
	}
	return words
}

// inWord reports whether a character makes words together with its neighbours.
func inWord(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}
