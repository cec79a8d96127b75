package tokenizer

import "strings"

// replacements are pairs of old and new text, replaced one after the other in the whole text.
type replacements []string

var (
	// cleanUpText is clean_up_tokenization_spaces of transformers.
	cleanUpText = replacements{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'",
		" n't", "n't", " 'm", "'m", " 's", "'s", " 've", "'ve", " 're", "'re"}
	// cleanUpToken is the cleanup of the decoders WordPiece and CTC.
	cleanUpToken = replacements{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'",
		" n't", "n't", " 'm", "'m", " do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re"}
)

func (r replacements) clean(s string) string {
	for i := 0; i < len(r); i += 2 {
		s = strings.ReplaceAll(s, r[i], r[i+1])
	}
	return s
}

// cleaner does the same with a text that comes in parts. What it returns adds up to the cleaned text. Each pair passes
// what it has replaced on to the next, and holds back an end that may be the beginning of its old text. The zero
// cleaner replaces nothing.
type cleaner struct {
	pairs replacements
	held  []string // the end that each pair holds back
}

func newCleaner(r replacements) cleaner { return cleaner{r, make([]string, len(r)/2)} }

// write takes the next part and returns what is now certain.
func (c *cleaner) write(part string) string {
	for i := range c.held {
		part, c.held[i] = replaceStart(c.held[i]+part, c.pairs[2*i], c.pairs[2*i+1])
	}
	return part
}

// flush ends the text and returns what was held back.
func (c *cleaner) flush() string {
	part := ""
	for i := range c.held {
		part, c.held[i] = strings.ReplaceAll(c.held[i]+part, c.pairs[2*i], c.pairs[2*i+1]), ""
	}
	return part
}

// replaceStart replaces in s what is complete; rest is the end of s that may be the beginning of another old text.
func replaceStart(s, old, replacement string) (done, rest string) {
	at := 0
	for i := strings.Index(s, old); i >= 0; i = strings.Index(s[at:], old) {
		at += i + len(old)
	}
	n := min(len(old)-1, len(s)-at)
	for !strings.HasPrefix(old, s[len(s)-n:]) {
		n--
	}
	return strings.ReplaceAll(s[:len(s)-n], old, replacement), s[len(s)-n:]
}
