package tokenizer

import "unicode/utf8"

// Encoding is the result of encoding a text. Entry i of each list is about token i.
type Encoding struct {
	IDs    []int32
	Tokens []string
	// Offsets are where each token is in the text, in characters (not bytes), end excluded. They are {0, 0} for tokens that
	// the post-processor adds.
	Offsets [][2]int
	// TypeIDs are 0 for the first text and 1 for the second, or what the post-processor says.
	TypeIDs []int32
	// WordIDs hold the word of each token: the number of the piece of its text that the model sees as one, or the index of
	// the word that was given to EncodeWords. They are -1 for tokens that the post-processor adds.
	WordIDs []int32
	// SpecialTokensMask says which tokens the post-processor added.
	SpecialTokensMask []bool
}

// withType returns e with one type id for all tokens.
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
		out.WordIDs = append(out.WordIDs, e.WordIDs...)
		out.SpecialTokensMask = append(out.SpecialTokensMask, e.SpecialTokensMask...)
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

// offsets returns where token k of piece p is in the text. Odd cases, such as a token that is longer than its piece,
// are handled as the tokenizers library does.
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
