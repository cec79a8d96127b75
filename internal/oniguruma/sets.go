package oniguruma

import (
	"fmt"
	"strings"

	"github.com/dlclark/regexp2"

	"github.com/spagotune/spagotune/internal/charclass"
	"github.com/spagotune/spagotune/internal/wording"
)

// class rewrites the set in brackets that s begins with, and returns its length.
func class(s string) (string, int, error) {
	i := 1
	out := "["
	if strings.HasPrefix(s[i:], "^") {
		out += "^"
		i++
	}
	for first := i; i < len(s); {
		switch {
		case s[i] == ']' && i > first:
			return out + "]", i + 1, nil
		case strings.HasPrefix(s[i:], "[:"):
			set, n, err := posix(s[i:])
			if err != nil {
				return "", 0, err
			}
			out += set
			i += n
		case s[i] == '[':
			inner, n, err := innerClass(s[i:])
			if err != nil {
				return "", 0, err
			}
			out += inner
			i += n
		case strings.HasPrefix(s[i:], "&&"):
			return "", 0, fmt.Errorf("the intersection of sets in %q is not supported", wording.Clip(s, 30))
		case s[i] == '\\':
			e, n, err := escape(s[i:], true)
			if err != nil {
				return "", 0, err
			}
			out += e
			i += n
		case s[i] == '-' && strings.HasPrefix(s[i+1:], "["):
			out += `\-`
			i++
		default:
			n := charclass.RuneLen(s[i:])
			if s[i] == ']' {
				out += `\`
			}
			out += s[i : i+n]
			i += n
		}
	}
	return "", 0, fmt.Errorf("the set %q does not end", wording.Clip(s, 30))
}

// innerClass rewrites a set inside of a set; the result has no brackets.
func innerClass(s string) (string, int, error) {
	inner, n, err := class(s)
	if err != nil {
		return "", 0, err
	}
	if strings.HasPrefix(inner, "[^") {
		return "", 0, fmt.Errorf("set %q inside of a set is not supported", wording.Clip(s, 30))
	}
	return inner[1 : len(inner)-1], n, nil
}

// foldClass adds ſ to a set with s in it, and the Kelvin sign to a set with k in it. regexp2 does not do so where case
// does not matter.
func foldClass(set string) string {
	head, body := "[", set[1:]
	if strings.HasPrefix(set, "[^") {
		head, body = "[^", set[2:]
	}
	re, err := regexp2.Compile("["+body, regexp2.IgnoreCase)
	if err != nil {
		return set // the whole pattern will fail, too
	}
	for _, pair := range [][2]string{{"s", "ſ"}, {"k", "\u212A"}} {
		if ok, _ := re.MatchString(pair[0]); ok {
			head += pair[1]
		}
	}
	return head + body
}

func posix(s string) (string, int, error) {
	name, _, ok := strings.Cut(s[2:], ":]")
	set, known := posixSets[name]
	if !ok || !known {
		return "", 0, fmt.Errorf("the set %q is not supported", wording.Clip(s, 30))
	}
	return set, len(name) + 4, nil
}
