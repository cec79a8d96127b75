package metric

import (
	"strings"
	"testing"
)

// TestMetaMathOdd has cases that the golden file lacks. What Python does was worked out by hand from MetaMath's code.
func TestMetaMathOdd(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"The answer is: ٤٢", 42, true},                          // \d is any decimal digit, and float takes it
		{"The answer is: 𝟕", 7, true},                            // U+1D7D5
		{"The answer is: 3/0", 3, true},                          // denominator "0"
		{"The answer is: 3/00", 0, false},                        // ZeroDivisionError
		{"The answer is: -/3", 0, false},                         // no numerator
		{"The answer is: -7/2", -4, true},                        // -3.5 to even
		{"The answer is: " + strings.Repeat("9", 400), 0, false}, // inf
		{"The answer is: The answer is: 5", 5, true},             // last part
		{"The answer is: 1.5.7", 2, true},                        // first number 1.5
		{"The answer is: " + strings.Repeat("0", 400) + "5", 5, true},
	} {
		if got, ok := MetaMathAnswer(c.text); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %g, %t; want %g, %t", c.text, got, ok, c.want, c.ok)
		}
	}
}

// FuzzEquivalent: the rule is symmetric, reflexive and does not panic.
func FuzzEquivalent(f *testing.F) {
	for _, s := range []string{"", `\frac12`, `\frac1`, `\sqrt`, `x=\sqrt3`, "1/2", `3\text{ cm}\text{ x}`, "ä=ö", `\frac`, " .5", `{.5}`} {
		f.Add(s, `\frac{1}{2}`)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if EquivalentLaTeX(a, b) != EquivalentLaTeX(b, a) || !EquivalentLaTeX(a, a) {
			t.Errorf("%q and %q", a, b)
		}
		Boxed(a)
		LaTeXAnswer(AnswerMarker + a)
	})
}
