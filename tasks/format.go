package tasks

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/head"
)

// FormatFeatures is Format for a row of any head. Labels that do not belong to the tokens of the row follow the counts.
func FormatFeatures(tok Tokenizer, row Features) string {
	if len(row.Labels) == len(row.IDs) {
		return Format(tok, row.IDs, row.Labels)
	}
	s := fmt.Sprintf("%s\n%d tokens", tok.Decode(row.IDs, false), len(row.IDs))
	if len(row.Labels) > 0 {
		s += fmt.Sprintf(", labels %d", row.Labels)
	}
	if len(row.FloatLabels) > 0 {
		s += fmt.Sprintf(", values %g", row.FloatLabels)
	}
	return s
}

// Format is a row as the model sees it: the text with its special tokens, the scored parts between ⟦ and ⟧, and a line
// that counts the tokens. The first token is never scored (see Encode).
func Format(tok Tokenizer, ids, labels []int32) string {
	isScored := func(i int) bool { return i > 0 && labels[i] != head.IgnoreIndex }
	var b strings.Builder
	for from := 0; from < len(ids); {
		to := from + 1
		for to < len(ids) && isScored(to) == isScored(from) {
			to++
		}
		text := tok.Decode(ids[from:to], false)
		if isScored(from) {
			text = "⟦" + text + "⟧"
		}
		b.WriteString(text)
		from = to
	}
	return fmt.Sprintf("%s\n%d tokens, %d scored", b.String(), len(ids), scored(labels))
}
