package tasks

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// splitWords are the places of a text's words, in bytes: what stands between white space, but punctuation at its ends
// is a word for each mark.
func splitWords(text string) [][2]int {
	var words [][2]int
	from := -1
	for i, r := range text + " " {
		switch {
		case unicode.IsSpace(r) && from >= 0:
			words = append(words, trimWord(text, from, i)...)
			from = -1
		case !unicode.IsSpace(r) && from < 0:
			from = i
		}
	}
	return words
}

// trimWord takes the punctuation off both ends of text[from:to].
func trimWord(text string, from, to int) [][2]int {
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

// characters counts those of the first n bytes of a text.
func characters(text string, n int) int { return utf8.RuneCountInString(text[:n]) }

// WordRow is a text as a row with the numbers of its words, which are places in it in bytes; the row loses its end where
// it is too long.
func (t *PairEncoder) WordRow(text string, words [][2]int) (row Features, truncated bool, err error) {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = text[w[0]:w[1]]
	}
	e := t.tok.EncodeWords(parts, false)
	room, err := t.room(t.one)
	if err != nil {
		return Features{}, false, err
	}
	n := len(e.IDs)
	if room > 0 && n > room {
		n, truncated = room, true
	}
	if n == 0 {
		return Features{}, false, fmt.Errorf("%w: the text has no token", ErrNotScored)
	}
	row, starts := t.one.row(e.IDs[:n])
	row.WordIDs = make([]int32, len(row.IDs))
	for i := range row.WordIDs {
		row.WordIDs[i] = -1
	}
	copy(row.WordIDs[starts[0]:], e.WordIDs[:n])
	return row, truncated, nil
}

// wordNumbers counts the words of a text's tokens, whose places are given in characters: a token goes on with the word
// before where no white space or punctuation is between. Each character of a script without spaces is a word.
func wordNumbers(text string, offsets [][2]int) []int32 {
	runes := []rune(text)
	words := make([]int32, len(offsets))
	n := int32(-1)
	for i, o := range offsets {
		joined := i > 0 && o[0] <= offsets[i-1][1] && o[0] > 0 && o[0] < len(runes) && inWord(runes[o[0]-1]) && inWord(runes[o[0]])
		if !joined {
			n++
		}
		words[i] = n
	}
	return words
}

// inWord says whether a character is one of those that make words together.
func inWord(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}
