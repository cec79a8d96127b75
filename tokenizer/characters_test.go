package tokenizer

import (
	"encoding/json"
	"os"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestEveryCharacter decomposes every character, and asks for its script, and compares with tokenizers 0.23.3.
func TestEveryCharacter(t *testing.T) {
	raw, err := os.ReadFile("../internal/charclass/testdata/classes.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Decomposed, NoScript []rune }
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want []rune // first and last characters, in turn
		is   func(rune) bool
	}{
		{"NFKD changes it", want.Decomposed, func(r rune) bool {
			p := newPiece(string(r), false)
			unicodeForms["NFKD"].normalize(&p)
			return p.s != string(r)
		}},
		{"it has no script", want.NoScript, func(r rune) bool { return scriptOf(r) == "" }},
	} {
		if len(c.want) == 0 {
			t.Errorf("%s: no characters", c.name)
		}
		step, next := rune(1), 0 // next is the index of the range that r is in or before
		if testing.Short() {
			step = 31
		}
		for r := rune(0); r <= unicode.MaxRune; r += step {
			for next < len(c.want) && r > c.want[next+1] {
				next += 2
			}
			inside := next < len(c.want) && r >= c.want[next]
			if utf8.ValidRune(r) && c.is(r) != inside {
				t.Errorf("%U: %s: %t, want %t", r, c.name, !inside, inside)
			}
		}
	}
}
