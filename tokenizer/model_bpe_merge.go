package tokenizer

import "unicode/utf8"

// symbol is a token in the making, a link in the list of a word's tokens.
type symbol struct {
	id         int32
	size       int32 // bytes of the text; 0 once it is merged away
	prev, next int32 // or -1
}

// mergeState is the working memory of one merge.
type mergeState struct {
	syms []symbol
	heap []uint64 // rank<<32 | position of the left symbol
	rank []uint64 // for short words: the merge of each symbol with the next
}

// longWord is the number of symbols from which on a heap is faster than searching.
const longWord = 48

// merge appends the tokens of s.
func (m *bpe) merge(dst []tok, s string) []tok {
	st := m.scratch.Get().(*mergeState)
	defer m.scratch.Put(st)
	st.syms = m.symbols(st.syms[:0], s)
	return m.mergeSymbols(dst, st)
}

// mergeSymbols merges the symbols of st and appends the tokens that remain.
func (m *bpe) mergeSymbols(dst []tok, st *mergeState) []tok {
	if len(st.syms) < longWord {
		m.mergeShort(st)
	} else {
		m.mergeLong(st)
	}
	at := int32(0)
	for _, y := range st.syms {
		if y.size > 0 {
			dst = append(dst, tok{y.id, at, at + y.size})
			at += y.size
		}
	}
	return dst
}

// symbols appends the tokens of the single characters of s.
func (m *bpe) symbols(syms []symbol, s string) []symbol {
	plain := m.prefix == "" && m.suffix == ""
	unk := symbol{id: -1}
	flush := func() {
		if unk.size > 0 {
			syms = append(syms, unk)
			unk.size = 0
		}
	}
	for i, r := range s {
		n := utf8.RuneLen(r)
		id := int32(-1)
		if plain && r < utf8.RuneSelf {
			id = m.ascii[r]
		} else if known, ok := m.vocab.ids[m.charToken(s, i, i+n)]; ok {
			id = known
		}
		if id >= 0 {
			flush()
			syms = append(syms, symbol{id: id, size: int32(n)})
			continue
		}
		if m.byteFallback {
			if with, ok := m.fallback(syms, m.charToken(s, i, i+n)); ok {
				syms = with
				continue
			}
		}
		if m.unk < 0 {
			continue
		}
		if !m.fuseUnk {
			flush()
		}
		unk = symbol{id: m.unk, size: unk.size + int32(n)}
	}
	flush()
	linkSymbols(syms)
	return syms
}

// linkSymbols makes syms a list.
func linkSymbols(syms []symbol) {
	for i := range syms {
		syms[i].prev, syms[i].next = int32(i-1), int32(i+1)
	}
	if len(syms) > 0 {
		syms[len(syms)-1].next = -1
	}
}

// charToken returns the token of the character s[i:j] of the word s.
func (m *bpe) charToken(s string, i, j int) string {
	c := s[i:j]
	if i > 0 && m.prefix != "" {
		c = m.prefix + c
	}
	if j == len(s) && m.suffix != "" {
		c += m.suffix
	}
	return c
}

// fallback appends the byte tokens of c, if there is one for each byte.
func (m *bpe) fallback(syms []symbol, c string) ([]symbol, bool) {
	for i := 0; i < len(c); i++ {
		if m.bytes[c[i]] < 0 {
			return syms, false
		}
	}
	for i := 0; i < len(c); i++ {
		syms = append(syms, symbol{id: m.bytes[c[i]], size: 1})
	}
	return syms, true
}

// noMerge is the rank of a pair that is never merged.
const noMerge = ^uint64(0)

func (m *bpe) pair(a, b int32) uint64 {
	if v, ok := m.pairs.get(pairKey(a, b)); ok {
		return v
	}
	return noMerge
}

// mergeShort searches for the best pair before each merge.
func (m *bpe) mergeShort(st *mergeState) {
	syms := st.syms
	rank := st.rank[:0]
	for i := 0; i+1 < len(syms); i++ {
		rank = append(rank, m.pair(syms[i].id, syms[i+1].id))
	}
	rank = append(rank, noMerge)
	st.rank = rank
	for n := len(syms); n > 1; n-- {
		best, limit, at := noMerge, noMerge, -1
		for i, v := range rank[:n] {
			if v < limit { // a lower rank: of equal ranks the first pair is merged
				best, limit, at = v, v>>32<<32, i
			}
		}
		if at < 0 {
			break
		}
		syms[at].id = int32(uint32(best))
		syms[at].size += syms[at+1].size
		copy(syms[at+1:n-1], syms[at+2:n])
		copy(rank[at+1:n-1], rank[at+2:n])
		syms[n-1].size = 0
		if at > 0 {
			rank[at-1] = m.pair(syms[at-1].id, syms[at].id)
		}
		rank[at] = noMerge
		if at+1 < n-1 {
			rank[at] = m.pair(syms[at].id, syms[at+1].id)
		}
	}
}

// mergeLong keeps the pairs in a heap, with the next one to merge on top.
func (m *bpe) mergeLong(st *mergeState) {
	syms := st.syms
	h := st.heap[:0]
	for i := 0; i+1 < len(syms); i++ {
		if v := m.pair(syms[i].id, syms[i+1].id); v != noMerge {
			h = append(h, v>>32<<32|uint64(i))
		}
	}
	heapify(h)
	for len(h) > 0 {
		top := h[0]
		h = heapPop(h)
		at := int32(uint32(top))
		left := &syms[at]
		if left.size == 0 || left.next < 0 {
			continue
		}
		right := &syms[left.next]
		v := m.pair(left.id, right.id)
		if v == noMerge || v>>32 != top>>32 {
			continue // this pair is gone
		}
		left.id = int32(uint32(v))
		left.size += right.size
		left.next = right.next
		right.size = 0
		if left.next >= 0 {
			syms[left.next].prev = at
			if v := m.pair(left.id, syms[left.next].id); v != noMerge {
				h = heapPush(h, v>>32<<32|uint64(at))
			}
		}
		if left.prev >= 0 {
			if v := m.pair(syms[left.prev].id, left.id); v != noMerge {
				h = heapPush(h, v>>32<<32|uint64(left.prev))
			}
		}
	}
	st.heap = h
}

// The heap is a slice. Its least value comes first, and the children of i are 4i+1 … 4i+4.

func heapify(h []uint64) {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		heapDown(h, i)
	}
}

func heapDown(h []uint64, i int) {
	v := h[i]
	for {
		child := 4*i + 1
		if child >= len(h) {
			break
		}
		for c := child + 1; c < min(4*i+5, len(h)); c++ {
			if h[c] < h[child] {
				child = c
			}
		}
		if h[child] >= v {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = v
}

func heapPop(h []uint64) []uint64 {
	n := len(h) - 1
	h[0] = h[n]
	h = h[:n]
	if n > 1 {
		heapDown(h, 0)
	}
	return h
}

func heapPush(h []uint64, v uint64) []uint64 {
	h = append(h, v)
	i := len(h) - 1
	for i > 0 && h[(i-1)/4] > v {
		h[i] = h[(i-1)/4]
		i = (i - 1) / 4
	}
	h[i] = v
	return h
}
