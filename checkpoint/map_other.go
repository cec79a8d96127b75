//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package checkpoint

import "os"

// mapFile gives the bytes start to size of f, read into memory.
func mapFile(f *os.File, start, size int64) (data []byte, unmap func() error, err error) {
	return readData(f, start, size)
}
