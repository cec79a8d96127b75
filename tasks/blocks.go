package tasks

import (
	"fmt"
	"iter"
	"slices"
)

// blocks cuts documents into blocks.
func (e *encoder) blocks(s *source, b Blocker) iter.Seq2[Row, error] {
	size, pack := b.Blocks()
	if e.maxLen > 0 {
		size = min(size, e.maxLen)
	}
	if e.kind == MaskedLM {
		size -= e.texts.one.extra()
	}
	return func(yield func(Row, error) bool) {
		if size < 1 {
			yield(Row{}, fmt.Errorf("data: the blocks have no place for text: %d tokens are special ones", e.texts.one.extra()))
			return
		}
		rest := Row{}
		for ex, err := range s.all() {
			if err != nil {
				yield(Row{}, err)
				return
			}
			rows := e.counts.Rows
			rest = e.document(rest, ex)
			for len(rest.IDs) >= size || (!pack && len(rest.IDs) > 0) {
				var row Row
				if row, rest = rest.cut(size, ex.Where); !e.yield(row, yield) {
					return
				}
			}
			if !pack && e.counts.Rows == rows {
				e.counts.skip(fmt.Errorf("%s: %w", ex.Where, ErrNotScored))
			}
		}
		if !e.yield(rest, yield) {
			return
		}
		if e.counts.Rows == 0 && s.seen > 0 {
			e.counts.Why = fmt.Sprintf("they have %d tokens together", len(rest.IDs))
		}
	}
}

// yield yields a row that has a scored token; it says whether to go on.
func (e *encoder) yield(row Row, yield func(Row, error) bool) bool {
	if e.kind == MaskedLM {
		row = e.framed(row)
	}
	scored := row.scoredBy(e.kind)
	if scored == 0 {
		return true
	}
	e.counts.add(row, scored, false)
	return yield(row, nil)
}

// document appends a document's tokens, with the end-of-sequence token only where there is one.
func (e *encoder) document(rest Row, ex Example) Row {
	if len(rest.IDs) == 0 {
		rest.Where = ex.Where
	}
	if e.kind == MaskedLM {
		return e.wordy(rest, ex)
	}
	rest.append(e.before, true)
	for _, s := range ex.Segments {
		rest.append(e.tok.Encode(s.Text, false), s.Scored)
		if id, ok := e.tok.EOS(); s.EOS && ok {
			rest.append([]int32{id}, s.Scored)
		}
	}
	return rest
}

// cut takes the first size tokens off; what is left begins at where.
func (r Row) cut(size int, where string) (Row, Row) {
	size = min(size, len(r.IDs))
	first := Row{IDs: slices.Clip(r.IDs[:size]), Labels: slices.Clip(r.Labels[:size]), Where: r.Where}
	rest := Row{IDs: r.IDs[size:], Labels: r.Labels[size:], Where: where}
	if r.Words != nil {
		first.Words, rest.Words = slices.Clip(r.Words[:size]), r.Words[size:]
	}
	return first, rest
}

// wordy is document for a masked language model: without special tokens, but with the numbers of words.
func (e *encoder) wordy(rest Row, ex Example) Row {
	for _, s := range ex.Segments {
		enc := e.texts.tok.EncodeFull(s.Text, false)
		first := int32(0)
		if n := len(rest.Words); n > 0 {
			first = rest.Words[n-1] + 1
		}
		for _, w := range wordNumbers(s.Text, enc.Offsets) {
			rest.Words = append(rest.Words, first+w)
		}
		rest.append(enc.IDs, true)
	}
	return rest
}

// framed puts the special tokens around a block.
func (e *encoder) framed(block Row) Row {
	row, starts := e.texts.one.row(block.IDs)
	row.Where = block.Where
	row.Words, row.Labels = make([]int32, len(row.IDs)), make([]int32, len(row.IDs))
	for i := range row.IDs {
		row.Words[i], row.Labels[i] = -1, Ignore
	}
	copy(row.Words[starts[0]:], block.Words)
	copy(row.Labels[starts[0]:], block.Labels)
	return row
}
