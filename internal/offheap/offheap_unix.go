//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package offheap

import (
	"syscall"
	"unsafe"
)

// Floats returns n zeros, n at least 1, at the start of a page.
func Floats(n int) []float32 {
	b, err := syscall.Mmap(-1, 0, 4*n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]float32, n)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
}

// Free gives back what Floats returned, which nobody may use after. It does nothing to other slices.
func Free(f []float32) {
	if len(f) > 0 {
		_ = syscall.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))) // refuses what Mmap did not return
	}
}
