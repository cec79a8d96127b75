package tokenizer

import "unicode/utf8"

// Encoding is what becomes of a text: entry i of each list is about token i.
type Encoding struct {
	IDs     []int32
	Tokens  []string
	Offsets [][2]int // characters (not bytes) of the text, end excluded; {0, 0} for tokens added by the post-processor
	TypeIDs []int32  // 0 for the first text, 1 for the second, or as the post-processor says
	Words   []int32  // the word (part of the text that the model sees as one) of its text, or as given to EncodeWords; -1 for tokens added by the post-processor
	Special []bool   // added by the post-processor
}

// withType is e with one type id for all.
func (e Encoding) withType(id int32) Encoding {
	e.TypeIDs = make([]int32, len(e.IDs))
	for i := range e.TypeIDs {
		e.TypeIDs[i] = id
	}
	return e
}

// join puts encodings one after the other.
func join(es []Encoding) Encoding {
	if len(es) == 1 {
		return es[0]
	}
	var out Encoding
	for _, e := range es {
		out.IDs = append(out.IDs, e.IDs...)
		out.Tokens = append(out.Tokens, e.Tokens...)
		out.Offsets = append(out.Offsets, e.Offsets...)
		out.TypeIDs = append(out.TypeIDs, e.TypeIDs...)
		out.Words = append(out.Words, e.Words...)
		out.Special = append(out.Special, e.Special...)
	}
	return out
}

// charIndex turns byte offsets into character offsets.
type charIndex struct{ of []int32 } // the character of each byte

func newCharIndex(text string) *charIndex {
	c := &charIndex{make([]int32, 0, len(text))}
	n := int32(0)
	for _, r := range text {
		for range utf8.RuneLen(r) {
			c.of = append(c.of, n)
		}
		n++
	}
	return c
}

// offsets is where token k of piece p comes from. Odd cases (a token that is longer than its piece) are handled as the
// library does.
func (c *charIndex) offsets(p piece, k tok) [2]int {
	from, to := int(k.start), int(k.end)
	if from < to && to <= len(p.al) {
		from, to = int(p.al[from].start), int(p.al[to-1].end)
	} else if from == to {
		from, to = from+int(p.off), to+int(p.off)
	}
	if from < 0 || from >= len(c.of) || to < 0 {
		return [2]int{from, to}
	}
	start := int(c.of[from])
	switch {
	case to < len(c.of):
		return [2]int{start, int(c.of[to])}
	case to-1 < len(c.of):
		return [2]int{start, int(c.of[to-1]) + 1}
	}
	return [2]int{start, start + 2}
}
