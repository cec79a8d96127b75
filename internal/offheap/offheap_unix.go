//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package offheap

import (
	"syscall"
	"unsafe"
)

// Floats returns n zeros, at least 1, that begin at a page.
func Floats(n int) []float32 {
	b, err := syscall.Mmap(-1, 0, 4*n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]float32, n)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
}

// Free frees what Floats returned, which must not be used after that. It leaves other slices alone.
func Free(f []float32) {
	if len(f) > 0 {
		_ = syscall.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))) // refuses what Mmap did not return
	}
}
