//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package op

import (
	"syscall"
	"unsafe"
)

// allocate makes a slab outside the garbage collector's heap: counted there, it would let garbage grow as large before
// the next collection. A slab stays for the life of the process.
func allocate(n int) []float32 {
	b, err := syscall.Mmap(-1, 0, 4*n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]float32, n)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
}
