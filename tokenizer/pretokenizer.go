package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
)

// preTokenizer splits pieces. The model tokenizes each piece by itself. Added tokens among the pieces are passed on as
// they are.
type preTokenizer interface {
	// run appends the parts of the pieces src to dst.
	run(dst, src []piece) []piece
}

// splitFunc is a preTokenizer that looks at one piece at a time.
type splitFunc func(dst []piece, p piece) []piece

func (f splitFunc) run(dst, src []piece) []piece {
	for _, p := range src {
		if p.id != noToken {
			dst = append(dst, p)
		} else {
			dst = f(dst, p)
		}
	}
	return dst
}

var preTokenizers registry[[]preTokenizer]

func init() {
	preTokenizers = registry[[]preTokenizer]{
		"Sequence": func(raw json.RawMessage, where string) ([]preTokenizer, error) {
			var c struct {
				PreTokenizers []json.RawMessage `json:"pretokenizers"`
			}
			if err := decodeObject(raw, where, &c, "pretokenizers"); err != nil {
				return nil, err
			}
			lists, err := buildList(c.PreTokenizers, where+".pretokenizers", preTokenizers.build)
			var all []preTokenizer
			for _, l := range lists {
				all = append(all, l...)
			}
			return all, err
		},
		"ByteLevel":          parseByteLevelSplit,
		"Metaspace":          parseMetaspaceSplit,
		"Split":              parseSplit,
		"Digits":             parseDigits,
		"Punctuation":        parsePunctuation,
		"CharDelimiterSplit": parseCharDelimiter,
		"Delimiter":          parseCharDelimiter,
		"FixedLength":        parseFixedLength,
		"Whitespace":         plainSplit(splitFunc(splitWords)),
		"WhitespaceSplit":    plainSplit(splitAt(unicode.IsSpace, removed)),
		"BertPreTokenizer":   plainSplit(wordSplit{splitBert}),
		"UnicodeScripts":     plainSplit(splitFunc(splitScripts)),
	}
}

// plainSplit makes a pre-tokenizer without settings.
func plainSplit(pt preTokenizer) func(json.RawMessage, string) ([]preTokenizer, error) {
	return func(raw json.RawMessage, where string) ([]preTokenizer, error) {
		return []preTokenizer{pt}, decodeObject(raw, where, &noFields{})
	}
}

// splitAt splits at the characters for which is holds.
func splitAt(is func(rune) bool, b behavior) splitFunc {
	return func(dst []piece, p piece) []piece { return b.split(dst, p, runeMatcher(is), false) }
}

func parseDigits(raw json.RawMessage, where string) ([]preTokenizer, error) {
	var c struct {
		Individual *bool `json:"individual_digits"`
	}
	if err := decodeObject(raw, where, &c, "individual_digits"); err != nil {
		return nil, err
	}
	b := contiguous
	if *c.Individual {
		b = isolated
	}
	return []preTokenizer{digitSplit{splitAt(charclass.IsDigit, b)}}, nil
}

func parsePunctuation(raw json.RawMessage, where string) ([]preTokenizer, error) {
	c := struct {
		Behavior behavior `json:"behavior"`
	}{isolated}
	err := decodeObject(raw, where, &c)
	return []preTokenizer{splitAt(charclass.IsPunctuation, c.Behavior)}, err
}

func parseCharDelimiter(raw json.RawMessage, where string) ([]preTokenizer, error) {
	var c struct {
		Delimiter string `json:"delimiter"`
	}
	if err := decodeObject(raw, where, &c, "delimiter"); err != nil {
		return nil, err
	}
	d, err := oneRune(c.Delimiter, where, "delimiter")
	return []preTokenizer{splitAt(func(r rune) bool { return r == d }, removed)}, err
}

func parseFixedLength(raw json.RawMessage, where string) ([]preTokenizer, error) {
	c := struct {
		Length int `json:"length"`
	}{5}
	if err := decodeObject(raw, where, &c); err != nil {
		return nil, err
	}
	if c.Length < 1 {
		return nil, fmt.Errorf("%s: length is %d, want 1 or more", where, c.Length)
	}
	return []preTokenizer{splitFunc(func(dst []piece, p piece) []piece {
		start, n := 0, 0
		for i := range p.s {
			if n == c.Length {
				dst = appendSlice(dst, p, start, i)
				start, n = i, 0
			}
			n++
		}
		return appendSlice(dst, p, start, len(p.s))
	})}, nil
}

// splitBert splits at white space, which it removes, and around punctuation.
func splitBert(dst []piece, p piece) []piece {
	start := 0
	for i, r := range p.s {
		switch {
		case charclass.IsASCIILetter(r):
		case unicode.IsSpace(r):
			dst = appendSlice(dst, p, start, i)
			start = i + utf8.RuneLen(r)
		case charclass.IsPunctuation(r):
			dst = appendSlice(dst, p, start, i)
			start = i + utf8.RuneLen(r)
			dst = appendSlice(dst, p, i, start)
		}
	}
	return appendSlice(dst, p, start, len(p.s))
}

// splitWords keeps the runs of \w, and the runs of characters that are neither \w nor white space.
func splitWords(dst []piece, p piece) []piece {
	const space, word, other = 0, 1, 2
	start, last := 0, space
	for i, r := range p.s {
		class := other
		if charclass.IsWord(r) {
			class = word
		} else if unicode.IsSpace(r) {
			class = space
		}
		if class == last {
			continue
		}
		if last != space {
			dst = appendSlice(dst, p, start, i)
		}
		start, last = i, class
	}
	if last != space {
		dst = appendSlice(dst, p, start, len(p.s))
	}
	return dst
}
