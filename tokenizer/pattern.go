package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// matcher finds the matches of a pattern in s, from left to right.
type matcher interface {
	matches(s string, yield func(i, j int))
}

// runeMatcher matches single characters.
type runeMatcher func(rune) bool

func (m runeMatcher) matches(s string, yield func(i, j int)) {
	for i, r := range s {
		if m(r) {
			yield(i, i+utf8.RuneLen(r))
		}
	}
}

// textMatcher matches a text, which is not empty.
type textMatcher string

func (m textMatcher) matches(s string, yield func(i, j int)) {
	for at := 0; ; {
		i := strings.Index(s[at:], string(m))
		if i < 0 {
			return
		}
		at += i + len(m)
		yield(at-len(m), at)
	}
}

// repeatMatcher matches a run of one character, at least a minimum of times.
type repeatMatcher struct {
	text string // the character, as often as it must occur
	r    rune
}

func (m repeatMatcher) matches(s string, yield func(i, j int)) {
	for at := 0; ; {
		i := strings.Index(s[at:], m.text)
		if i < 0 {
			return
		}
		i += at
		at = i + len(m.text)
		for at < len(s) && strings.HasPrefix(s[at:], string(m.r)) {
			at += utf8.RuneLen(m.r)
		}
		yield(i, at)
	}
}

// parsePattern reads {"String": …} or {"Regex": …}.
func parsePattern(raw json.RawMessage, where string) (matcher, error) {
	var c struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	}
	if err := decodeObject(raw, where, &c); err != nil {
		return nil, err
	}
	switch {
	case (c.String == nil) == (c.Regex == nil):
		return nil, fmt.Errorf("%s: want either \"String\" or \"Regex\"", where)
	case c.Regex != nil:
		return newRegex(*c.Regex, where)
	case *c.String == "":
		return newRegex("", where)
	}
	return textMatcher(*c.String), nil
}
