package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/spagotune/spagotune/internal/lfs"
)

// unpack returns what a reader holds, decompressed if it begins as gzip or zstd does. It
// refuses a Git LFS pointer.
func unpack(name string, r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	ahead, _ := br.Peek(lfs.Size) // a shorter file is all there
	if err := lfs.Check(ahead); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case bytes.HasPrefix(ahead, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return z, nil
	case bytes.HasPrefix(ahead, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return z.IOReadCloser(), nil
	}
	return br, nil
}
