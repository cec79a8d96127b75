package gguf

import (
	"errors"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/internal/wording"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	alignmentKey     = "general.alignment"

	// maxHeader is the size of the largest header that is read, in bytes. Real ones have up to some 30 MB, most of it a
	// vocabulary. Values take up to about five times as many bytes as the file has for them.
	maxHeader = 256 << 20
	maxDepth  = 4     // of arrays in arrays; no real file has any
	maxKey    = 65535 // bytes of a key, the format's limit
	maxQuoted = 100   // bytes of a name in a message
)

// header is what a file has before its data.
type header struct {
	metadata  Metadata
	tensors   []info
	alignment int
	dataStart int // where the data begin; offsets count from there
}

// info is a tensor as the header states it. It is checked against itself, but not against the file.
type info struct {
	name   string
	typ    Type
	shape  []int // rows first: the reverse of the file's order
	size   int   // bytes
	offset uint64
}

// parseHeader reads the header at the beginning of a file. No length that the file states is trusted: what it says to
// follow must be there before memory is taken for it.
func parseHeader(file []byte) (*header, error) {
	r := &reader{file: file[:min(len(file), maxHeader)], cut: len(file) > maxHeader}
	if err := r.readMagic(len(file)); err != nil {
		return nil, err
	}
	h := &header{}
	nTensors, err := r.count("tensors", 25)
	if err != nil {
		return nil, err
	}
	nKeys, err := r.count("keys", 14)
	if err != nil {
		return nil, err
	}
	for i := range nKeys {
		if err := r.readPair(&h.metadata); err != nil {
			return nil, fmt.Errorf("metadata key %d of %d: %w", i+1, nKeys, err)
		}
	}
	if h.alignment, err = h.metadata.alignment(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range nTensors {
		t, err := r.readInfo()
		if err == nil && seen[t.name] {
			err = errors.New("another tensor has the same name")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %d of %d%s: %w", i+1, nTensors, quoted(t.name), err)
		}
		seen[t.name] = true
		h.tensors = append(h.tensors, t)
	}
	h.dataStart = (r.at + h.alignment - 1) / h.alignment * h.alignment
	return h, nil
}

// quoted is a name for a message, "" if there is none.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(", %q", wording.Clip(name, maxQuoted))
}

// alignment is what every tensor's data begin at a multiple of.
func (m *Metadata) alignment() (int, error) {
	v, ok := m.Get(alignmentKey)
	if !ok {
		return defaultAlignment, nil
	}
	n, ok := v.(uint32)
	if !ok {
		return 0, fmt.Errorf("%s is %s, want one of type uint32", alignmentKey, nameOf(v))
	}
	if n < 8 || n > 1<<16 || n&(n-1) != 0 {
		return 0, fmt.Errorf("%s is %d, want a power of two from 8 to 2^16", alignmentKey, n)
	}
	return int(n), nil
}

// readInfo reads what the header says of a tensor.
func (r *reader) readInfo() (info, error) {
	var t info
	var err error
	if t.name, err = r.string("the name"); err != nil {
		return t, err
	}
	if t.name == "" || len(t.name) > maxKey {
		return t, fmt.Errorf("a name of %d bytes, want 1 to %d", len(t.name), maxKey)
	}
	dims, err := r.uint32("the number of dimensions")
	if err != nil {
		return t, err
	}
	if dims > maxDims {
		return t, fmt.Errorf("%d dimensions; there are up to %d", dims, maxDims)
	}
	t.shape = make([]int, dims)
	for i := range t.shape {
		n, err := r.uint64("the shape")
		if err != nil {
			return t, err
		}
		if n > math.MaxInt {
			return t, fmt.Errorf("an extent of %d is too large", n)
		}
		t.shape[int(dims)-1-i] = int(n)
	}
	typ, err := r.uint32("the type")
	if err != nil {
		return t, err
	}
	t.typ = Type(typ)
	if _, t.size, err = t.typ.size(t.shape); err != nil {
		return t, err
	}
	t.offset, err = r.uint64("the offset")
	return t, err
}
