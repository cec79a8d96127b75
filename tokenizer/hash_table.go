package tokenizer

import "math/bits"

// table is an open-addressed hash table from uint64 to uint64. The key 2⁶⁴-1 is not allowed. Once it is filled it is
// only read, so goroutines can share it.
type table struct {
	slots []slot
	shift uint
	n     int
}

type slot struct{ key, val uint64 }

const emptySlot = ^uint64(0)

// newTable makes a table with room for n entries.
func newTable(n int) *table {
	size := max(16, 1<<bits.Len(uint(2*n)))
	t := &table{slots: make([]slot, size), shift: 64 - uint(bits.TrailingZeros(uint(size)))}
	for i := range t.slots {
		t.slots[i].key = emptySlot
	}
	return t
}

func (t *table) find(key uint64) *slot {
	i := (key * 0x9E3779B97F4A7C15) >> t.shift
	mask := uint64(len(t.slots) - 1)
	for {
		s := &t.slots[i&mask]
		if s.key == key || s.key == emptySlot {
			return s
		}
		i++
	}
}

func (t *table) get(key uint64) (uint64, bool) {
	s := t.find(key)
	return s.val, s.key == key
}

func (t *table) put(key, val uint64) {
	s := t.find(key)
	if s.key == emptySlot {
		t.n++
		if 2*t.n > len(t.slots) {
			t.grow()
			s = t.find(key)
		}
	}
	*s = slot{key, val}
}

func (t *table) grow() {
	bigger := newTable(len(t.slots))
	for _, s := range t.slots {
		if s.key != emptySlot {
			*bigger.find(s.key) = s
		}
	}
	t.slots, t.shift = bigger.slots, bigger.shift
}
