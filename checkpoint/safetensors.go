package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxHeader is the format's own limit on the header, in bytes.
const maxHeader = 100_000_000

func checkHeaderSize(n uint64) error {
	if n > maxHeader {
		return fmt.Errorf("header of %d bytes, over the format's limit of %d", n, maxHeader)
	}
	return nil
}

// readSafetensors reads and checks the header of size bytes of r. It returns the entries in the order of their data,
// the metadata, and the position at which the data begin.
func readSafetensors(r io.ReaderAt, size int64) ([]entry, map[string]string, int64, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, nil, 0, fmt.Errorf("not a safetensors file: %d bytes", size)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, nil, 0, fmt.Errorf("read the header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if rest := size - int64(len(prefix)); n > uint64(rest) {
		return nil, nil, 0, fmt.Errorf("not a safetensors file, or cut off: a header of %d bytes is stated, %d bytes follow", n, rest)
	}
	if err := checkHeaderSize(n); err != nil {
		return nil, nil, 0, err
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, int64(len(prefix)), int64(n)), raw); err != nil {
		return nil, nil, 0, fmt.Errorf("read the header: %w", err)
	}
	start := int64(len(prefix)) + int64(n)
	entries, metadata, err := parseHeader(raw, uint64(size-start))
	return entries, metadata, start, err
}

// openSafetensors opens size bytes of r; path is for messages and for Tensor.File.
func openSafetensors(path string, r io.ReaderAt, size int64) (*source, error) {
	entries, metadata, start, err := readSafetensors(r, size)
	if err != nil {
		return nil, err
	}
	data, unmap, err := mapFile(r, start, size)
	if err != nil {
		return nil, err
	}
	s := &source{metadata: metadata, close: unmap}
	for _, e := range entries {
		s.tensors = append(s.tensors, Tensor{
			Name: e.name, DType: e.dtype, Shape: e.shape, File: path,
			Data: data[e.begin:e.end:e.end],
		})
	}
	return s, nil
}
