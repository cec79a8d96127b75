//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"os"
	"syscall"
)

// mapFile gives the bytes start to size of f, memory-mapped and read-only; a file system that cannot map is read.
func mapFile(f *os.File, start, size int64) (data []byte, unmap func() error, err error) {
	if start == size || int64(int(size)) != size {
		return readData(f, start, size)
	}
	m, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return readData(f, start, size)
	}
	return m[start:], func() error { return syscall.Munmap(m) }, nil
}
