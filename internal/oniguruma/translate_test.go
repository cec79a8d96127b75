package oniguruma

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// TestTranslate has the text of translations that are short.
func TestTranslate(t *testing.T) {
	for pattern, want := range map[string]string{
		``: ``, `abc`: `abc`, `a b#`: `a\ b\#`, `a|^b$`: `a|^b$`, `.`: `.`, `{`: `\{`, `a{x}`: `a\{x}`,
		`a{2}`: `a{2}`, `a{,3}`: `a{0,3}`, `a{1,}?`: `a{1,}?`, `a{2}+`: `(?:a{2})+`, `(?:a++)?`: `(?:(?>a+))?`, `ab?+`: `a(?>b?)`, `(ab)*+c`: `(?>(ab)*)c`,
		`[ab]`: `[ab]`, `[^a]`: `[^a]`, `[]a]`: `[\]a]`, `[a[bc]]`: `[abc]`, `[[a]-[b]]`: `[a\-b]`, `[\]\\]`: `[\]\\]`,
		`\x41`: `\x41`, `\x{e9}`: `é`, `\u4e2d`: `中`, `\é`: `é`, `\R`: `(?>\r\n|[\n-\r\u0085\u2028\u2029])`, `\h`: `[0-9A-Fa-f]`,
		`\p{L}`: `[A-Za-z\p{L}]`, `[\p{Letter}]`: `[A-Za-z\p{L}]`, `\P{N}`: `\P{N}`, `\p{^Lu}`: `\P{Lu}`, `\P{^Han}`: `\p{Han}`, `\p{hex digit}|\p{Digit}`: ``, `[[:digit:]]`: `[\p{Nd}]`, `\P{punct}`: `\P{P}`,
		`(?i:s)s`: `(?i:[sSſ])s`, `(?i)k`: "(?i)[kK\u212A]", `(?i)(?-i:s)s`: `(?i)(?-i:s)[sSſ]`, `(?i:[a-t])`: "(?i:[ſ\u212Aa-t])", `(?m:.)`: `(?s:.)`, `(?#no)a`: `a`, `(?<n>a)`: `(?<n>a)`,
	} {
		got, err := Translate(pattern)
		if (err == nil) != (want != "" || pattern == "") || got != want {
			t.Errorf("%q: got %q, %v, want %q", pattern, got, err, want)
		}
	}
}

func TestTranslateErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		`a)`: "unmatched ) at byte 1", `*a`: "nothing to repeat at byte 0", `(?:+)`: "nothing to repeat at byte 3", `[a`: `the set "[a" does not end`, `[a&&b]`: "intersection", `[[^a]b]`: "inside of a set",
		`[[:nope:]]`: "[:nope:]", `\p{Nonsense}`: `\p{Nonsense}`, `[\P{alpha}]`: `\P{alpha}`, `\p`: `want \p{name}`, `\p{L`: "does not end", `(?~a)`: `group "(?~a)" is not supported`, `(?z)a`: "not supported", `(?x: a)`: "not supported", `(?#a`: "does not end",
		`\K`: `the escape "\\K" is not supported here`, `a\`: "ends with a backslash", `\x{110000}`: "not a character", `\u12`: "not a character",
	} {
		if got, err := Translate(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v, want an error with %q", pattern, got, err, want)
		}
	}
}

// TestMatches compares what translated patterns match with what Oniguruma does. A pattern that only one of the two accepts
// must be one that Translate refuses.
func TestMatches(t *testing.T) {
	raw, err := os.ReadFile("testdata/matches.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Texts []string
		Cases []struct {
			Pattern string
			Matches [][]string
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, c := range file.Cases {
		translated, err := Translate(c.Pattern)
		if err != nil {
			refused++
			continue
		}
		re, err := regexp2.Compile(translated, regexp2.Multiline)
		if err != nil || c.Matches == nil {
			if (err == nil) != (c.Matches != nil) {
				t.Errorf("%q is %q: %v; Oniguruma accepts it: %t", c.Pattern, translated, err, c.Matches != nil)
			}
			continue
		}
		for i, text := range file.Texts {
			var got []string
			for m, err := re.FindStringMatch(text); m != nil && err == nil; m, err = re.FindNextMatch(m) {
				if m.Length > 0 {
					got = append(got, m.String())
				}
			}
			if !slices.Equal(got, c.Matches[i]) {
				t.Errorf("%q in %q:\n got %q\nwant %q", c.Pattern, text, got, c.Matches[i])
			}
		}
	}
	if refused > 20 {
		t.Errorf("%d of %d patterns are refused", refused, len(file.Cases))
	}
}

func FuzzTranslate(f *testing.F) {
	for _, s := range []string{`(?i:'s|'t)|[^\r\n\p{L}]?+\p{L}++`, `[[:alpha:]&&[^a]]`, `\x{10}{,2}+`, `(?<n>(a)\k<n>)`, `[[a]-[b`, `\p{^L}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		translated, err := Translate(pattern)
		if err == nil && utf8.ValidString(pattern) && !utf8.ValidString(translated) {
			t.Errorf("%q became %q, which is not UTF-8", pattern, translated)
		}
	})
}
