//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package checkpoint

import "io"

// mapFile returns the bytes start to size of r, read into memory.
func mapFile(r io.ReaderAt, start, size int64) (data []byte, unmap func() error, err error) {
	return readData(r, start, size)
}
