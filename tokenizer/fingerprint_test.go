package tokenizer

import (
	"strings"
	"testing"
)

// TestFingerprint checks that tokens, their ids, special tokens and the way a text is cut decide the fingerprint, and that the form of
// the files does not.
func TestFingerprint(t *testing.T) {
	const file = `{"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "The": 1, "dog": 2}}, "pre_tokenizer": {"type": "Whitespace"}}`
	of := func(text string) string {
		tok, err := Parse([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return tok.Fingerprint()
	}
	same := strings.ReplaceAll(file, ", ", ",\n\t")
	if of(file) != of(same) {
		t.Error("the form of the file decides the fingerprint")
	}
	for what, other := range map[string]string{
		"ids":           strings.NewReplacer(`"The": 1`, `"The": 2`, `"dog": 2`, `"dog": 1`).Replace(file),
		"a token":       strings.Replace(file, "dog", "cat", 1),
		"the splitting": strings.Replace(file, `"Whitespace"`, `"WhitespaceSplit"`, 1),
		"a normalizer":  strings.Replace(file, `"pre_tok`, `"normalizer": {"type": "Lowercase"}, "pre_tok`, 1),
	} {
		if of(other) == of(file) {
			t.Errorf("%s does not decide the fingerprint", what)
		}
	}
}
