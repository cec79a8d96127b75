package tasks

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/tokenizer"
)

// PairEncoder puts one text, or two that belong together, into the form that a model takes: tokens, with the special ones
// around them.
type PairEncoder struct {
	tok  FullTokenizer
	most int // tokens of a row; 0 is any number
	one  frame
	two  frame
}

// NewPairEncoder makes one for rows of at most maxLen tokens (0: any length).
func NewPairEncoder(tok FullTokenizer, maxLen int) *PairEncoder {
	plain := tok.EncodePlus("a", false).IDs
	return &PairEncoder{tok: tok, most: maxLen, one: newFrame(tok.EncodePlus("a", true), plain, 1), two: newFrame(tok.EncodePair("a", "a", true), plain, 2)}
}

// frame is what a tokenizer puts around texts: around[i] stands before text i, the last one behind all.
type frame struct {
	around []tokenizer.Encoding // ids and types
	types  []int32              // of the texts
}

// newFrame finds the frame in a sample of n times the same text.
func newFrame(sample tokenizer.Encoding, plain []int32, n int) frame {
	f := frame{types: make([]int32, n)}
	from := 0
	for i := range n {
		at := from
		for at+len(plain) <= len(sample.IDs) && !slices.Equal(sample.IDs[at:at+len(plain)], plain) {
			at++
		}
		if at+len(plain) > len(sample.IDs) { // the sample is not of texts side by side: nothing is around them
			return frame{around: make([]tokenizer.Encoding, n+1), types: f.types}
		}
		f.around = append(f.around, cutEncoding(sample, from, at))
		if at < len(sample.TypeIDs) {
			f.types[i] = sample.TypeIDs[at]
		}
		from = at + len(plain)
	}
	f.around = append(f.around, cutEncoding(sample, from, len(sample.IDs)))
	return f
}

func cutEncoding(e tokenizer.Encoding, from, to int) tokenizer.Encoding {
	return tokenizer.Encoding{IDs: slices.Clone(e.IDs[from:to]), TypeIDs: slices.Clone(e.TypeIDs[from:to])}
}

// extra is how many tokens a frame has of its own.
func (f frame) extra() int {
	n := 0
	for _, e := range f.around {
		n += len(e.IDs)
	}
	return n
}

// row lays texts into the frame; starts are where each begins.
func (f frame) row(texts ...[]int32) (row Features, starts []int) {
	var types []int32
	add := func(ids []int32, of func(i int) int32) {
		row.IDs = append(row.IDs, ids...)
		for i := range ids {
			types = append(types, of(i))
		}
	}
	for i, e := range f.around {
		add(e.IDs, func(j int) int32 { return e.TypeIDs[j] })
		if i < len(texts) {
			starts = append(starts, len(row.IDs))
			add(texts[i], func(int) int32 { return f.types[i] })
		}
	}
	if slices.ContainsFunc(types, func(t int32) bool { return t != 0 }) {
		row.TokenTypeIDs = types
	}
	return row, starts
}

// Row is a text, and where it is not empty a second one, as a row without labels. Texts that are too long lose tokens
// at their ends, the longer one first.
func (t *PairEncoder) Row(text, pair string) (row Features, truncated bool, err error) {
	texts, f := [][]int32{t.tok.EncodePlus(text, false).IDs}, t.one
	if pair != "" {
		texts, f = append(texts, t.tok.EncodePlus(pair, false).IDs), t.two
	}
	room, err := t.room(f)
	if err != nil {
		return Features{}, false, err
	}
	for total := count(texts); room > 0 && total > room; total-- {
		truncated = true
		longest := 0
		if len(texts) == 2 && len(texts[1]) >= len(texts[0]) {
			longest = 1
		}
		texts[longest] = texts[longest][:len(texts[longest])-1]
	}
	row, _ = f.row(texts...)
	if len(row.IDs) == 0 {
		return Features{}, false, fmt.Errorf("%w: the text has no token", ErrNotScored)
	}
	return row, truncated, nil
}

// room is how many tokens of text a row has place for; 0 is any number.
func (t *PairEncoder) room(f frame) (int, error) {
	if t.most == 0 {
		return 0, nil
	}
	room := t.most - f.extra()
	if room < len(f.types) {
		return 0, fmt.Errorf("rows of %d tokens have no place for text: %d are special ones", t.most, f.extra())
	}
	return room, nil
}

func count(texts [][]int32) int {
	n := 0
	for _, ids := range texts {
		n += len(ids)
	}
	return n
}

// mask is the token that stands for one that is to be found.
func (t *PairEncoder) mask() (id int32, ok bool) {
	if m, has := t.tok.(interface{ Mask() (int32, bool) }); has {
		return m.Mask()
	}
	return 0, false
}
