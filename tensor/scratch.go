package tensor

import (
	"sync"
	"unsafe"

	"github.com/spagotune/spagotune/internal/offheap"
)

// pool keeps values for use again. Unlike sync.Pool it never drops one, so that a warm product allocates nothing.
type pool[T any] struct {
	mu   sync.Mutex
	free []*T
}

func (p *pool[T]) get() *T {
	p.mu.Lock()
	n := len(p.free)
	if n == 0 {
		p.mu.Unlock()
		return new(T)
	}
	v := p.free[n-1]
	p.free = p.free[:n-1]
	p.mu.Unlock()
	return v
}

func (p *pool[T]) put(v *T) {
	p.mu.Lock()
	p.free = append(p.free, v)
	p.mu.Unlock()
}

// scratch is the memory of one job.
type scratch struct {
	b     []float32 // panels of B
	block []float32 // a block of a Source
}

var scratches pool[scratch]

// offheapSize is the number of values from which scratch memory gets a mapping of its own.
const offheapSize = 1 << 16

// grow returns buf with room for n values, aligned to 64 bytes. The content is undefined, and the old buffer must not be used.
func grow(buf *[]float32, n int) []float32 {
	if len(*buf) < n {
		offheap.Free(*buf)
		if room := n + n/8 + 16; room >= offheapSize {
			*buf = offheap.Floats(room)
		} else {
			s := make([]float32, room)
			*buf = s[int(-uintptr(unsafe.Pointer(&s[0]))%64)/4:]
		}
	}
	return (*buf)[:n]
}
