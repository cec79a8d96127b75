package charclass

import (
	"encoding/json"
	"os"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestClasses compares every class with what tokenizers 0.23.3 says of every character.
func TestClasses(t *testing.T) {
	raw, err := os.ReadFile("testdata/classes.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]rune
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	for name, is := range map[string]func(rune) bool{
		"Letter": IsLetter, "Number": IsNumber, "Digit": IsDigit, "Word": IsWord, "Punctuation": IsPunctuation,
		"Nonspacing": IsNonspacing, "Mark": IsMark, "Control": IsControl, "Chinese": IsChinese,
	} {
		table, wrong := ranges(want[name]...), 0
		if len(want[name]) == 0 {
			t.Errorf("%s: no characters", name)
		}
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if utf8.ValidRune(r) && is(r) != unicode.Is(table, r) {
				wrong++
				if wrong <= 10 {
					t.Errorf("%s: %U is %t", name, r, is(r))
				}
			}
		}
		if wrong > 10 {
			t.Errorf("%s: %d characters are wrong", name, wrong)
		}
	}
}

func TestIsASCIILetter(t *testing.T) {
	for r := rune(0); r < 0x300; r++ {
		if got, want := IsASCIILetter(r), r < utf8.RuneSelf && unicode.IsLetter(r); got != want {
			t.Errorf("%U: got %t, want %t", r, got, want)
		}
	}
}

func TestRuneLen(t *testing.T) {
	for s, want := range map[string]int{"": 0, "ab": 1, "éa": 2, "中": 3, "😀": 4, "\xff": 1} {
		if got := RuneLen(s); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}
