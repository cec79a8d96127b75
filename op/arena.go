package op

import (
	"sort"
	"sync"

	"github.com/spagotune/spagotune/internal/offheap"
)

// slabSize is the size of the first slab, in float32 values: 64 MiB. Pages that are never touched cost no memory.
const slabSize = 16 << 20

// span is a run of float32 values in a slab.
type span struct {
	slab   *slab
	off, n int
}

// slab is a large allocation, with its free spans in order. It is never given back to the system.
type slab struct {
	mem  []float32
	free []span
}

// arena hands out float32 buffers and joins freed neighbours. Forward passes allocate and backward passes free in
// roughly opposite order, so first fit stays compact.
type arena struct {
	mu    sync.Mutex
	slabs []*slab
	total int // values of all slabs
	used  int // values handed out
	peak  int
}

var memory arena

// get returns a buffer of n values with undefined content, 64-byte aligned within its slab.
func (a *arena) get(n int) (span, []float32) {
	size := (max(n, 1) + 15) &^ 15
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used += size
	a.peak = max(a.peak, a.used)
	for _, s := range a.slabs {
		for i, f := range s.free {
			if f.n < size {
				continue
			}
			if f.n == size {
				s.free = append(s.free[:i], s.free[i+1:]...)
			} else {
				s.free[i] = span{s, f.off + size, f.n - size}
			}
			return span{s, f.off, size}, s.mem[f.off : f.off+n : f.off+size]
		}
	}
	s := &slab{mem: offheap.Floats(max(size, slabSize, a.total))} // as large as all before it, so that few buffers meet an end
	a.total += len(s.mem)
	if rest := len(s.mem) - size; rest > 0 {
		s.free = append(s.free, span{s, size, rest})
	}
	a.slabs = append(a.slabs, s)
	return span{s, 0, size}, s.mem[:n:size]
}

// put takes a buffer back.
func (a *arena) put(f span) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used -= f.n
	s := f.slab
	i := sort.Search(len(s.free), func(i int) bool { return s.free[i].off > f.off })
	s.free = append(s.free, span{})
	copy(s.free[i+1:], s.free[i:])
	s.free[i] = f
	if i+1 < len(s.free) && f.off+f.n == s.free[i+1].off {
		s.free[i].n += s.free[i+1].n
		s.free = append(s.free[:i+1], s.free[i+2:]...)
	}
	if i > 0 && s.free[i-1].off+s.free[i-1].n == s.free[i].off {
		s.free[i-1].n += s.free[i].n
		s.free = append(s.free[:i], s.free[i+1:]...)
	}
}

// PeakBytes is the most that operators have held at once since the last ResetPeak: activations, their gradients, and scratch
// memory.
func PeakBytes() int {
	memory.mu.Lock()
	defer memory.mu.Unlock()
	return 4 * memory.peak
}

// ResetPeak starts a new measurement for PeakBytes.
func ResetPeak() {
	memory.mu.Lock()
	defer memory.mu.Unlock()
	memory.peak = memory.used
}
