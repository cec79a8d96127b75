package oniguruma

import (
	"fmt"
	"maps"
	"strings"
	"unicode"

	"github.com/spagotune/spagotune/internal/charclass"
	"github.com/spagotune/spagotune/internal/wording"
)

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
	if key == "word" && !inSet {
		body = alsoWord + body
	}
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

// propertyKey returns a name in lower case, without spaces, hyphens and underscores.
func propertyKey(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(name))
}

// properties are the categories and scripts that regexp2 knows, by key.
var properties = func() map[string]string {
	out := map[string]string{
		"letter": "L", "mark": "M", "number": "N", "punctuation": "P", "symbol": "S", "separator": "Z", "other": "C",
		"uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
		"nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
		"spaceseparator": "Zs", "control": "Cc", "format": "Cf", "punct": "P",
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

// posixSets are the members of [[:alpha:]] and \p{Alpha}, by name.
var posixSets = map[string]string{
	"alnum": `\p{Nd}` + alphaSet, "alpha": alphaSet, "digit": `\p{Nd}`,
	"lower": `\p{Ll}` + tableSet(unicode.Other_Lowercase), "upper": `\p{Lu}` + tableSet(unicode.Other_Uppercase),
	"punct": `\p{P}\p{S}`, "space": `\s`, "word": wordSet, "xdigit": hexSet, "blank": `\t\p{Zs}`, "cntrl": `\p{Cc}`,
}

// alphaSet is [[:alpha:]], and wordSet is \w, as Oniguruma has them.
var (
	alphaSet = `A-Za-z\p{L}\p{Nl}\u0363-\u036F\u1DD3-\u1DE6` + tableSet(unicode.Other_Alphabetic) + tableSet(charclass.NewLetters)
	wordSet  = `0-9_\p{M}\p{Nd}\p{Pc}` + alphaSet
)

// alsoWord are characters that \w and \p{Word} match, but not inside of a set.
const alsoWord = "²³¹¼-¾"

const hexSet = "0-9A-Fa-f"

// tableSet writes a table as the members of a set.
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
