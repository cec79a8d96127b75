package tokenizer

import (
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/dlclark/regexp2"

	"github.com/spagotune/spagotune/internal/oniguruma"
)

// regex is a matcher for a pattern in the syntax of Oniguruma (Ruby's engine), which the tokenizers library uses.
type regex struct{ re *regexp2.Regexp }

// repeated is one plain character with a minimum of times, as in " {2,}".
var repeated = regexp.MustCompile(`^([^][\\^$.|?*+(){}])\{([1-9][0-9]?),\}$`)

// newRegex compiles a pattern. Well-known patterns have a matcher written by hand.
func newRegex(pattern, where string) (matcher, error) {
	if w, ok := wordPatterns[pattern]; ok {
		return w, nil
	}
	if m := repeated.FindStringSubmatch(pattern); m != nil {
		n, _ := strconv.Atoi(m[2])
		r, _ := utf8.DecodeRuneInString(m[1])
		return repeatMatcher{repeatText(m[1], n), r}, nil
	}
	re, err := compileRegex(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: regular expression %q is %w: %w", where, pattern, ErrUnsupported, err)
	}
	return regex{re}, nil
}

func repeatText(s string, n int) string {
	out := ""
	for range n {
		out += s
	}
	return out
}

// compileRegex compiles a pattern with regexp2. Its parser may panic on a bad pattern, which becomes an error.
func compileRegex(pattern string) (re *regexp2.Regexp, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("regexp2: %v", r)
		}
	}()
	translated, err := oniguruma.Translate(pattern)
	if err != nil {
		return nil, err
	}
	if re, err = regexp2.Compile(translated, regexp2.Multiline); err == nil {
		re.MatchTimeout = matchTimeout
	}
	return re, err
}

func (m regex) matches(s string, yield func(i, j int)) {
	text := []rune(s)
	at, byteAt := 0, 0 // the same place in text and in s
	last := -1         // the end of the last match; an empty match there does not count
	advance := func(to int) int {
		for ; at < to; at++ {
			byteAt += utf8.RuneLen(text[at])
		}
		return byteAt
	}
	g := inTime(m.re, func() (*regexp2.Match, error) { return m.re.FindRunesMatch(text) })
	for ; g != nil; g = inTime(m.re, func() (*regexp2.Match, error) { return m.re.FindNextMatch(g) }) {
		if g.Length == 0 && g.Index == last {
			continue
		}
		last = g.Index + g.Length
		i := advance(g.Index)
		yield(i, advance(g.Index+g.Length))
	}
}
