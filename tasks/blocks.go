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
	return func(yield func(Row, error) bool) {
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
	if row.Scored() == 0 {
		return true
	}
	e.counts.add(row, false)
	return yield(row, nil)
}

// document appends a document's tokens, with the end-of-sequence token only where there is one.
func (e *encoder) document(rest Row, ex Example) Row {
	if len(rest.IDs) == 0 {
		rest.Where = ex.Where
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
	return first, Row{IDs: r.IDs[size:], Labels: r.Labels[size:], Where: where}
}
