package oniguruma

import (
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"

	"github.com/spagotune/spagotune/internal/charclass"
	"github.com/spagotune/spagotune/internal/wording"
)

// class rewrites a set in brackets and says how long it is.
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

// innerClass rewrites a set inside of a set, without brackets.
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

// foldClass adds ſ to a set with s in it and the Kelvin sign to one with k,
// which regexp2 does not do where case does not matter.
func foldClass(set string) string {
	head, body := "[", set[1:]
	if strings.HasPrefix(set, "[^") {
		head, body = "[^", set[2:]
	}
	re, err := regexp2.Compile("["+body, regexp2.IgnoreCase)
	if err != nil {
		return set // the whole pattern will fail too
	}
	for letter, other := range map[string]string{"s": "ſ", "k": "\u212A"} {
		if ok, _ := re.MatchString(letter); ok {
			head += other
		}
	}
	return head + body
}

// alphaSet is [[:alpha:]] and wordSet is \w as the library has them.
var (
	alphaSet = `A-Za-z\p{L}\p{Nl}\u0363-\u036F\u1DD3-\u1DE6` + tableSet(unicode.Other_Alphabetic) + tableSet(charclass.NewLetters)
	wordSet  = `0-9_\p{M}\p{Nd}\p{Pc}²³¹¼-¾` + alphaSet
)

const hexSet = "0-9A-Fa-f"

// tableSet writes a table for use inside of a set.
func tableSet(t *unicode.RangeTable) string {
	var out strings.Builder
	add := func(lo, hi, stride rune) {
		for c := lo; c <= hi && stride > 1; c += stride {
			out.WriteRune(c)
		}
		if stride == 1 {
			out.WriteString(string(lo) + "-" + string(hi))
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return out.String()
}

// posixSets are the names in [[:alpha:]] and \p{Alpha}.
var posixSets = map[string]string{
	"alnum": `\p{Nd}` + alphaSet, "alpha": alphaSet, "digit": `\p{Nd}`,
	"lower": `\p{Ll}` + tableSet(unicode.Other_Lowercase), "upper": `\p{Lu}` + tableSet(unicode.Other_Uppercase),
	"punct": `\p{P}\p{S}`, "space": `\s`, "word": wordSet, "xdigit": hexSet, "blank": `\t\p{Zs}`, "cntrl": `\p{Cc}`,
}

func posix(s string) (string, int, error) {
	name, _, ok := strings.Cut(s[2:], ":]")
	set, known := posixSets[name]
	if !ok || !known {
		return "", 0, fmt.Errorf("the set %q is not supported", wording.Clip(s, 30))
	}
	return set, len(name) + 4, nil
}

// escape rewrites an escape sequence and says how long it is. Sets are
// written without brackets inside of a set.
func escape(s string, inSet bool) (string, int, error) {
	if len(s) < 2 {
		return "", 0, fmt.Errorf("the pattern ends with a backslash")
	}
	c := s[1]
	switch {
	case c == 'p' || c == 'P':
		return property(s, inSet)
	case c == 'w' || c == 'h':
		set := map[byte]string{'w': wordSet, 'h': hexSet}[c]
		if !inSet {
			set = "[" + set + "]"
		}
		return set, 2, nil
	case c == 'W' && !inSet:
		return "[^" + wordSet + "]", 2, nil
	case c == 'R' && !inSet:
		return `(?>\r\n|[\n-\r\u0085\u2028\u2029])`, 2, nil
	case c == 'x' || c == 'u':
		return hexEscape(s)
	}
	return sameEscape(s, inSet)
}

// sameEscape is an escape sequence that means the same to regexp2.
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

// property rewrites \p{…}, \P{…} and \p{^…}.
func property(s string, inSet bool) (string, int, error) {
	if len(s) < 4 || s[2] != '{' {
		return "", 0, fmt.Errorf("%q: want \\p{name}", wording.Clip(s, 30))
	}
	name, _, ok := strings.Cut(s[3:], "}")
	if !ok {
		return "", 0, fmt.Errorf("%q does not end", wording.Clip(s, 30))
	}
	n := len(name) + 4
	not := s[1] == 'P'
	if strings.HasPrefix(name, "^") {
		not, name = !not, name[1:]
	}
	key := propertyKey(name)
	if known, ok := properties[key]; ok {
		switch {
		case not:
			return `\P{` + known + `}`, n, nil
		case known == "L" && inSet: // ranges are faster than categories
			return `A-Za-z\p{L}`, n, nil
		case known == "L":
			return `[A-Za-z\p{L}]`, n, nil
		}
		return `\p{` + known + `}`, n, nil
	}
	body, ok := posixSets[key]
	switch {
	case !ok || not && inSet:
		return "", 0, fmt.Errorf("the property %q is not supported", s[:n])
	case inSet:
		return body, n, nil
	case not:
		return "[^" + body + "]", n, nil
	}
	return "[" + body + "]", n, nil
}

// propertyKey is a name without case, spaces, hyphens and low lines.
func propertyKey(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(name))
}

// properties are the categories and scripts that regexp2 knows, by key.
var properties = func() map[string]string {
	out := map[string]string{
		"letter": "L", "mark": "M", "number": "N", "punctuation": "P", "symbol": "S", "separator": "Z", "other": "C",
		"uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
		"nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
		"spaceseparator": "Zs", "control": "Cc", "format": "Cf",
	}
	for name := range maps.Keys(unicode.Scripts) {
		out[propertyKey(name)] = name
	}
	for name := range maps.Keys(unicode.Categories) {
		if len(name) <= 2 && name != "LC" && name != "Cn" {
			out[propertyKey(name)] = name
		}
	}
	return out
}()
