package oniguruma

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
	"github.com/spagotune/spagotune/internal/wording"
)

// escape rewrites the escape sequence that s begins with, and returns its length. Inside of a set, a class is written
// without brackets.
func escape(s string, inSet bool) (string, int, error) {
	if len(s) < 2 {
		return "", 0, fmt.Errorf("the pattern ends with a backslash")
	}
	c := s[1]
	switch {
	case c == 'p' || c == 'P':
		return property(s, inSet)
	case c == 'w' || c == 'h':
		set, more := hexSet, ""
		if c == 'w' {
			set, more = wordSet, alsoWord
		}
		if !inSet {
			set = "[" + more + set + "]"
		}
		return set, 2, nil
	case c == 'W' && !inSet:
		return "[^" + alsoWord + wordSet + "]", 2, nil
	case c == 'R' && !inSet:
		return `(?>\r\n|[\n-\r\u0085\u2028\u2029])`, 2, nil
	case c == 'x' || c == 'u':
		return hexEscape(s)
	}
	return sameEscape(s, inSet)
}

// sameEscape accepts an escape sequence that means the same to regexp2.
func sameEscape(s string, inSet bool) (string, int, error) {
	c, same := s[1], "dDsStnrfvaeb0"
	if !inSet {
		same += "AzZGBk123456789"
	}
	letter := charclass.IsASCIILetter(rune(c)) || '0' <= c && c <= '9'
	if c >= utf8.RuneSelf {
		n := charclass.RuneLen(s[1:])
		return s[1 : 1+n], 1 + n, nil
	}
	if !letter || strings.IndexByte(same, c) >= 0 {
		return s[:2], 2, nil
	}
	return "", 0, fmt.Errorf("the escape %q is not supported here", s[:2])
}

// hexEscape rewrites \xHH, \x{H…} and \uHHHH.
func hexEscape(s string) (string, int, error) {
	digits, n := "", 0
	switch {
	case strings.HasPrefix(s, `\x{`):
		body, _, ok := strings.Cut(s[3:], "}")
		if ok {
			digits, n = body, len(body)+4
		}
	case s[1] == 'x' && len(s) >= 4:
		digits, n = s[2:4], 4
	case s[1] == 'u' && len(s) >= 6:
		digits, n = s[2:6], 6
	}
	var r rune
	if _, err := fmt.Sscanf(digits, "%x", &r); err != nil || !utf8.ValidRune(r) {
		return "", 0, fmt.Errorf("the escape %q is not a character", wording.Clip(s, 30))
	}
	if r < utf8.RuneSelf {
		return fmt.Sprintf(`\x%02X`, r), n, nil
	}
	return string(r), n, nil
}
