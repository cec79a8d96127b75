package tasks

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spagotune/spagotune/tokenizer"
)

// PairEncoder encodes one text, or two that belong together, as a model expects them: with the special tokens around
// them.
type PairEncoder struct {
	tok    FullTokenizer
	maxLen int // of a row; 0 is any length
	one    frame
	two    frame
	last   atomic.Pointer[encodedText] // the text that was encoded last of those that several questions are about
	// prompts are the lengths of the prompts that PromptLength was asked for, by their texts.
	prompts sync.Map
}

// encodedText is a text that questions are about.
type encodedText struct {
	text     string
	encoding tokenizer.Encoding
}

// NewPairEncoder makes an encoder of rows of at most maxLen tokens (0: any length).
func NewPairEncoder(tok FullTokenizer, maxLen int) *PairEncoder {
	plain := tok.EncodePlus("a", false).IDs
	return &PairEncoder{tok: tok, maxLen: maxLen, one: newFrame(tok.EncodePlus("a", true), plain, 1), two: newFrame(tok.EncodePair("a", "a", true), plain, 2)}
}

// context encodes a text that several questions are about, one after the other, once. Do not change what it returns.
func (t *PairEncoder) context(text string) tokenizer.Encoding {
	c := t.last.Load()
	if c == nil || c.text != text {
		c = &encodedText{text, t.tok.EncodePlus(text, false)}
		t.last.Store(c)
	}
	return c.encoding
}

// Tokenizer is the tokenizer that it encodes with.
func (t *PairEncoder) Tokenizer() FullTokenizer { return t.tok }

// Mask is the token that stands for one to be found, if there is one.
func (t *PairEncoder) Mask() (id int32, ok bool) {
	if m, has := t.tok.(MaskTokenizer); has {
		return m.Mask()
	}
	return 0, false
}

// Row encodes a text, and a second one unless it is empty, as a row without labels. Where the row would be too long,
// the texts lose tokens at their ends, the longer one first. The error is ErrNotScored if there is no token.
func (t *PairEncoder) Row(text, pair string) (row Features, truncated bool, err error) {
	texts, f := [][]int32{t.tok.EncodePlus(text, false).IDs}, t.one
	if pair != "" {
		texts, f = append(texts, t.tok.EncodePlus(pair, false).IDs), t.two
	}
	room, err := t.room(f)
	if err != nil {
		return Features{}, false, err
	}
	total := 0
	for _, ids := range texts {
		total += len(ids)
	}
	if truncated = room > 0 && total > room; truncated && len(texts) == 1 {
		texts[0] = texts[0][:room]
	} else if truncated {
		shorter, longer := 0, 1
		if len(texts[0]) > len(texts[1]) {
			shorter, longer = 1, 0
		}
		texts[shorter] = texts[shorter][:min(len(texts[shorter]), room/2)]
		texts[longer] = texts[longer][:room-len(texts[shorter])]
	}
	row, _ = f.row(texts...)
	if len(row.IDs) == 0 {
		return Features{}, false, fmt.Errorf("%w: the text has no token", ErrNotScored)
	}
	return row, truncated, nil
}

// PromptLength is the number of tokens that a prompt takes at the beginning of a row: those of the prompt alone, with the special tokens before
// it but not with one after it. sentence-transformers counts in the same way.
func (t *PairEncoder) PromptLength(prompt string) (int, error) {
	if prompt == "" {
		return 0, nil
	}
	if n, ok := t.prompts.Load(prompt); ok {
		return n.(int), nil
	}
	n, err := t.promptLength(prompt)
	if err == nil {
		t.prompts.Store(prompt, n)
	}
	return n, err
}

func (t *PairEncoder) promptLength(prompt string) (int, error) {
	row, _, err := t.Row(prompt, "")
	if errors.Is(err, ErrNotScored) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := len(row.IDs)
	if s, ok := t.tok.(SpecialTokenizer); ok && s.IsSpecial(row.IDs[n-1]) {
		n--
	}
	return n, nil
}

// WordRows encodes a text as rows with the numbers of its words, which are given as ranges of its bytes. A text that fits is
// one row, and a longer one is cut into windows. The error is ErrNotScored if there is no token.
func (t *PairEncoder) WordRows(text string, words [][2]int) ([]Window, error) {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = text[w[0]:w[1]]
	}
	e := t.tok.EncodeWords(parts, false)
	windows, err := t.Windows(e.IDs)
	if err != nil {
		return nil, err
	}
	for i := range windows {
		w := &windows[i]
		w.WordIDs = make([]int32, len(w.IDs))
		for j := range w.WordIDs {
			w.WordIDs[j] = -1
		}
		copy(w.WordIDs[w.First+w.KeepFrom-w.From:], e.WordIDs[w.KeepFrom:w.KeepTo])
	}
	return windows, nil
}

// room is how many tokens of text fit into a row; 0 is any number.
func (t *PairEncoder) room(f frame) (int, error) {
	if t.maxLen == 0 {
		return 0, nil
	}
	room := t.maxLen - f.extra()
	if room < len(f.types) {
		return 0, fmt.Errorf("rows of %d tokens have no place for text: %d are special ones", t.maxLen, f.extra())
	}
	return room, nil
}

// frame is the special tokens that a tokenizer puts around texts: around[i] stands before text i, and the last one
// after all texts.
type frame struct {
	around []tokenizer.Encoding // ids and types
	types  []int32              // of the tokens of each text
}

// newFrame finds the frame in a sample: n times the same text.
func newFrame(sample tokenizer.Encoding, plain []int32, n int) frame {
	f := frame{types: make([]int32, n)}
	from := 0
	for i := range n {
		at := from
		for at+len(plain) <= len(sample.IDs) && !slices.Equal(sample.IDs[at:at+len(plain)], plain) {
			at++
		}
		if at+len(plain) > len(sample.IDs) { // the texts are not in the sample one after the other: take nothing as the frame
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

// extra is the number of special tokens.
func (f frame) extra() int {
	n := 0
	for _, e := range f.around {
		n += len(e.IDs)
	}
	return n
}

// row lays texts into the frame. starts are the tokens at which they begin.
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
