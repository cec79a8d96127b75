package tasks

import (
	"fmt"
	"iter"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// blocks cuts documents into blocks.
func (e *encoder) blocks(s *watched, p Packer) iter.Seq2[Features, error] {
	packing := p.Packing()
	size, pack := packing.Size, packing.Pack
	if e.maxLen > 0 {
		size = min(size, e.maxLen)
	}
	if e.kind == head.MaskedLM {
		size -= e.texts.one.extra()
	}
	return func(yield func(Features, error) bool) {
		if size < 1 {
			yield(Features{}, fmt.Errorf("data: the blocks have no place for text: %d tokens are special ones", e.texts.one.extra()))
			return
		}
		rest := Features{}
		for ex, err := range s.all() {
			if err != nil {
				yield(Features{}, err)
				return
			}
			rows := e.counts.Rows
			if start := len(rest.IDs); start > 0 && packing.Isolate && !slices.Contains(rest.DocumentStarts, start) { // it is there after an empty document
				rest.DocumentStarts = append(rest.DocumentStarts, start)
			}
			full := func(least int) bool { // yields the blocks of a part of the document
				for len(rest.IDs) >= least {
					var row Features
					if row, rest = rest.cut(size, ex.Source); !e.yieldBlock(row, yield) {
						return false
					}
				}
				return true
			}
			least := size
			if !pack {
				least = 1
			}
			if !e.appendDocument(&rest, ex, func() bool { return full(size) }) || !full(least) {
				return
			}
			if !pack && e.counts.Rows == rows {
				e.counts.skip(fmt.Errorf("%s: %w", ex.Source, ErrNotScored))
			}
		}
		if !e.yieldBlock(rest, yield) {
			return
		}
		if e.counts.Rows == 0 && s.seen > 0 {
			e.counts.Why = fmt.Sprintf("they have %d tokens together", len(rest.IDs))
		}
	}
}

// yieldBlock yields a block that has a scored token. It returns false if the loop over the blocks has ended.
func (e *encoder) yieldBlock(row Features, yield func(Features, error) bool) bool {
	row.DocumentStarts = slices.DeleteFunc(row.DocumentStarts, func(start int) bool { return start == len(row.IDs) }) // of an empty document
	if e.kind == head.MaskedLM {
		row = e.addSpecialTokens(row)
	} else {
		for _, start := range row.DocumentStarts {
			row.Labels[start] = head.IgnoreIndex // nothing is before it
		}
	}
	scored := row.scoredBy(e.kind)
	if scored == 0 {
		return true
	}
	e.counts.add(row, scored, false)
	return yield(row, nil)
}

// appendDocument appends the tokens of a document to what is left of those before it, part by part: a long document never has all of them at
// once. It calls each after every part, and returns false once that does. The end-of-sequence token is left out where the tokenizer has none.
func (e *encoder) appendDocument(rest *Features, ex Example, each func() bool) bool {
	if len(rest.IDs) == 0 {
		rest.Source = ex.Source
	}
	if e.kind == head.MaskedLM {
		*rest = e.appendWords(*rest, ex)
		return each()
	}
	segments := slices.Clone(ex.Segments)
	for i := range segments {
		segments[i].EOS = segments[i].EOS && e.eos != ""
	}
	if segments = e.withoutEnds(segments); len(segments) != 1 || !segments[0].Scored {
		document, _ := e.join(segments) // the only error is a missing end of the sequence
		copy(document.Labels, e.before)
		rest.IDs, rest.Labels = append(rest.IDs, document.IDs...), append(rest.Labels, document.Labels...)
		return each()
	}
	rest.append(e.before, true)
	for ids := range e.parts(segments[0].Text) {
		if rest.append(ids, true); e.stopped() != nil {
			return true // it ends the examples, too
		}
		if !each() {
			return false
		}
	}
	if segments[0].EOS {
		id, _ := e.tok.EOS()
		rest.append([]int32{id}, true)
	}
	return true
}

// parts yields the tokens of a text.
func (e *encoder) parts(text string) iter.Seq[[]int32] {
	if p, ok := e.tok.(PartEncoder); ok {
		return p.EncodeParts(text)
	}
	return func(yield func([]int32) bool) { yield(e.tok.Encode(text, false)) }
}

// appendWords is appendDocument for a masked language model: without special tokens, but with the numbers of the words.
func (e *encoder) appendWords(rest Features, ex Example) Features {
	for _, s := range ex.Segments {
		enc := e.texts.tok.EncodePlus(s.Text, false)
		first := int32(0)
		if n := len(rest.WordIDs); n > 0 {
			first = rest.WordIDs[n-1] + 1
		}
		for _, w := range wordNumbers(s.Text, enc.Offsets) {
			rest.WordIDs = append(rest.WordIDs, first+w)
		}
		rest.append(enc.IDs, true)
	}
	return rest
}

// cut cuts off the first size tokens. What is left begins at the given source.
func (r Features) cut(size int, source string) (Features, Features) {
	size = min(size, len(r.IDs))
	first := Features{IDs: slices.Clip(r.IDs[:size]), Labels: slices.Clip(r.Labels[:size]), Source: r.Source}
	rest := Features{IDs: r.IDs[size:], Labels: r.Labels[size:], Source: source}
	if r.WordIDs != nil {
		first.WordIDs, rest.WordIDs = slices.Clip(r.WordIDs[:size]), r.WordIDs[size:]
	}
	for _, start := range r.DocumentStarts {
		switch {
		case start < size:
			first.DocumentStarts = append(first.DocumentStarts, start)
		case start > size:
			rest.DocumentStarts = append(rest.DocumentStarts, start-size)
		}
	}
	return first, rest
}

// addSpecialTokens puts the special tokens around a block of a masked language model.
func (e *encoder) addSpecialTokens(block Features) Features {
	row, starts := e.texts.one.row(block.IDs)
	row.Source = block.Source
	row.WordIDs, row.Labels = make([]int32, len(row.IDs)), make([]int32, len(row.IDs))
	for i := range row.IDs {
		row.WordIDs[i], row.Labels[i] = -1, head.IgnoreIndex
	}
	copy(row.WordIDs[starts[0]:], block.WordIDs)
	copy(row.Labels[starts[0]:], block.Labels)
	for _, start := range block.DocumentStarts {
		row.DocumentStarts = append(row.DocumentStarts, starts[0]+start)
	}
	return row
}
