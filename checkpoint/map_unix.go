//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"io"
	"os"
	"syscall"
)

// mapFile returns the bytes start to size of r: memory-mapped and read-only if r is a file that can be mapped, else read
// into memory.
func mapFile(r io.ReaderAt, start, size int64) (data []byte, unmap func() error, err error) {
	f, ok := r.(*os.File)
	if !ok || start == size || int64(int(size)) != size {
		return readData(r, start, size)
	}
	m, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return readData(r, start, size)
	}
	return m[start:], func() error { return syscall.Munmap(m) }, nil
}
