package metric

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AnswerMarker stands before the final answer in MetaMath's answers.
const AnswerMarker = "The answer is: "

// LaTeXAnswer is the final answer that MetaMath's eval_math.py takes from a completion: what follows the last
// AnswerMarker, up to a full stop that ends its line, without white space around it and without one full stop at its
// end. It is false where there is no marker.
func LaTeXAnswer(completion string) (string, bool) {
	i := strings.LastIndex(completion, AnswerMarker)
	if i < 0 {
		return "", false
	}
	text, _, _ := strings.Cut(completion[i+len(AnswerMarker):], ".\n")
	return strip(strings.TrimSuffix(strip(text), ".")), true
}

// strip cuts white space off both ends. Python counts four control characters as white space that Go does not.
func strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
}

// boxes begin a box, with its brace or the white space in its place: \boxed, or in a text that has none of those \fbox.
var boxes = []*regexp.Regexp{regexp.MustCompile(`\\boxed(?:\s*\{|\s+)`), regexp.MustCompile(`\\fbox(?:\s*\{|\s+)`)}

// Boxed is the content of the last \boxed{…} of a text. A box without braces, as in "$\boxed 5$", ends at the next dollar
// or line end. It is false where there is no box, or the last one does not end, or has neither a brace nor content.
func Boxed(text string) (string, bool) {
	for _, box := range boxes {
		if all := box.FindAllStringIndex(text, -1); len(all) > 0 {
			last := all[len(all)-1]
			return boxContent(text[last[1]:], text[last[1]-1] == '{')
		}
	}
	return "", false
}

// boxContent is what stands in the box that the text before this one has begun.
func boxContent(text string, braced bool) (string, bool) {
	if !braced {
		if end := strings.IndexAny(text, "$\n"); end >= 0 {
			text = text[:end]
		}
		text = strings.TrimSuffix(strings.TrimSpace(text), ".")
		return text, text != ""
	}
	depth := 1
	for j := range len(text) {
		switch text[j] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return text[:j], true
			}
		}
	}
	return "", false
}

// EquivalentLaTeX is the rule of the MATH data set (Hendrycks et al. 2021): two answers are the same if they are equal
// once a fixed list of differences in spelling is removed. Where the published rule raises an error for one of the
// answers, they are compared as they are.
func EquivalentLaTeX(a, b string) bool {
	x, ok1 := normal(a)
	y, ok2 := normal(b)
	if ok1 && ok2 {
		return x == y
	}
	return a == b
}

// spellings are the replacements of what does not change a value: line ends, thin spaces, doubled backslashes, kinds of
// fractions, sizes of brackets, degrees, dollars. Their order matters.
var spellings = [][2]string{
	{"\n", ""}, {`\!`, ""}, {`\\`, `\`}, {"tfrac", "frac"}, {"dfrac", "frac"}, {`\left`, ""}, {`\right`, ""},
	{`^{\circ}`, ""}, {`^\circ`, ""}, {`\$`, ""},
}

// normal is an answer in the spelling that is compared; false where the published rule raises an error.
func normal(s string) (string, bool) {
	for _, r := range spellings {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	const unit = `\text{ `
	if n := strings.Count(s, unit); n > 1 {
		return "", false
	} else if n == 1 {
		s, _, _ = strings.Cut(s, unit)
	}
	s = strings.ReplaceAll(s, `\%`, "")
	s = strings.ReplaceAll(strings.ReplaceAll(s, " .", " 0."), "{.", "{0.")
	if s == "" {
		return "", true
	}
	if s[0] == '.' {
		s = "0" + s
	}
	if name, value, ok := strings.Cut(s, "="); ok && !strings.Contains(value, "=") && utf8.RuneCountInString(name) <= 2 {
		s = value
	}
	s, ok := braceRoots(s)
	if !ok {
		return "", false
	}
	if s, ok = braceFractions(strings.ReplaceAll(s, " ", "")); !ok {
		return "", false
	}
	if s == "0.5" {
		s = `\frac{1}{2}`
	}
	if m := slashed.FindStringSubmatch(s); m != nil {
		s = `\frac{` + m[1] + "}{" + m[2] + "}"
	}
	return s, true
}

// slashed is a fraction of two integers as Python prints them.
var slashed = regexp.MustCompile(`^(0|-?[1-9][0-9]*)/(0|-?[1-9][0-9]*)$`)

// braceRoots writes \sqrt3 as \sqrt{3}.
func braceRoots(s string) (string, bool) {
	parts := strings.Split(s, `\sqrt`)
	out := parts[0]
	for _, p := range parts[1:] {
		if p == "" {
			return "", false
		}
		if p[0] != '{' {
			_, n := utf8.DecodeRuneInString(p)
			p = "{" + p[:n] + "}" + p[n:]
		}
		out += `\sqrt` + p
	}
	return out, true
}

// braceFractions writes \frac12 and \frac1{2} as \frac{1}{2}.
func braceFractions(s string) (string, bool) {
	parts := strings.Split(s, `\frac`)
	out := parts[0]
	for _, p := range parts[1:] {
		if p == "" {
			return "", false
		}
		if p[0] != '{' {
			_, n := utf8.DecodeRuneInString(p)
			if n == len(p) {
				return s, true
			}
			over, under := p[:n], p[n:]
			if under[0] != '{' {
				_, n := utf8.DecodeRuneInString(under)
				under = "{" + under[:n] + "}" + under[n:]
			}
			p = "{" + over + "}" + under
		}
		out += `\frac` + p
	}
	return out, true
}
