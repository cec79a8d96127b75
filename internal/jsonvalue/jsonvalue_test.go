package jsonvalue

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestIsNullAndIsOff(t *testing.T) {
	for raw, want := range map[string][2]bool{ // null, off
		"": {true, false}, " null\n": {true, true}, "false": {false, true}, " 0 ": {false, true}, "0.0": {false, true}, `""`: {false, true},
		"[ ]": {false, true}, "{}": {false, true}, "true": {false, false}, "1": {false, false}, `"null"`: {false, false}, "[0]": {false, false}, "{": {false, false},
	} {
		if got := [2]bool{IsNull(json.RawMessage(raw)), IsOff(json.RawMessage(raw))}; got != want {
			t.Errorf("%q: null and off are %v, want %v", raw, got, want)
		}
	}
}

// TestObjectKeepsNumbers: what is decoded is written again as it was.
func TestObjectKeepsNumbers(t *testing.T) {
	const text = `{"a":1.0,"b":{"c":[1,1e-05,12345678901234567890]}}`
	all, err := Object([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(all); err != nil || string(again) != text {
		t.Errorf("got %s, %v, want %s", again, err, text)
	}
	for _, other := range []string{"[1]", "null", "{"} {
		if _, err := Object([]byte(other)); err == nil {
			t.Errorf("%s is taken for an object", other)
		}
	}
}

func TestOneOrMore(t *testing.T) {
	for raw, want := range map[string][]string{`"a"`: {"a"}, `["a", "b"]`: {"a", "b"}, `[]`: {}, `null`: nil} {
		var got []string
		if err := OneOrMore([]byte(raw), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{`1`, `["a", 1]`, `{`} {
		if err := OneOrMore([]byte(raw), new([]string)); err == nil {
			t.Errorf("%s: no error", raw)
		}
	}
}
