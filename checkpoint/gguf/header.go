package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"

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
	if n < 8 || n > 1<<30 || n&(n-1) != 0 {
		return 0, fmt.Errorf("%s is %d, want a power of two from 8 to 2^30", alignmentKey, n)
	}
	return int(n), nil
}

// reader reads a header from its beginning.
type reader struct {
	file []byte
	at   int
	cut  bool // the file goes on after what is read of it
}

// readMagic reads what says that this is a GGUF file, and of which version.
func (r *reader) readMagic(size int) error {
	if len(r.file) < 8 || string(r.file[:4]) != magic {
		return fmt.Errorf("not a GGUF file: it has %d bytes and begins with %q, want %q", size, r.file[:min(4, len(r.file))], magic)
	}
	r.at = 8
	switch version := binary.LittleEndian.Uint32(r.file[4:]); {
	case version == 2 || version == 3:
		return nil
	case version&0xffff == 0 && version != 0:
		return errors.New("a big-endian GGUF file; only little-endian ones are read")
	default:
		return fmt.Errorf("GGUF version %d; versions 2 and 3 are read", version)
	}
}

// take returns the next n bytes.
func (r *reader) take(n uint64, what string) ([]byte, error) {
	if rest := len(r.file) - r.at; n > uint64(rest) {
		return nil, r.missing(fmt.Sprintf("%s needs %d bytes", what, n))
	}
	b := r.file[r.at : r.at+int(n)]
	r.at += int(n)
	return b, nil
}

// missing says that what is stated does not follow.
func (r *reader) missing(what string) error {
	rest := len(r.file) - r.at
	if r.cut {
		return fmt.Errorf("%s, %d are left of the %d that a header may have", what, rest, maxHeader)
	}
	return fmt.Errorf("%s, %d follow", what, rest)
}

func (r *reader) uint32(what string) (uint32, error) {
	b, err := r.take(4, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) uint64(what string) (uint64, error) {
	b, err := r.take(8, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads how many of something follow. Each takes at least so many bytes, which the file must have.
func (r *reader) count(what string, least int) (int, error) {
	n, err := r.uint64("the number of " + what)
	if err != nil {
		return 0, err
	}
	if n > uint64(len(r.file)-r.at)/uint64(least) {
		return 0, r.missing(fmt.Sprintf("%d %s need at least %d bytes each", n, what, least))
	}
	return int(n), nil
}

func (r *reader) string(what string) (string, error) {
	n, err := r.uint64("the length of " + what)
	if err != nil {
		return "", err
	}
	b, err := r.take(n, what)
	return string(b), err
}

// readPair reads a key and its value.
func (r *reader) readPair(m *Metadata) error {
	key, err := r.string("the key")
	switch {
	case err != nil:
		return err
	case key == "" || len(key) > maxKey:
		return fmt.Errorf("a key of %d bytes, want 1 to %d", len(key), maxKey)
	case m.Has(key):
		return fmt.Errorf("%q is there twice", wording.Clip(key, maxQuoted))
	}
	k, err := r.uint32("the type of the value")
	if err == nil {
		var v any
		if v, err = r.readValue(kind(k)); err == nil {
			m.Set(key, v)
		}
	}
	if err != nil {
		return fmt.Errorf("%q: %w", wording.Clip(key, maxQuoted), err)
	}
	return nil
}

func (r *reader) readValue(k kind) (any, error) {
	switch {
	case int(k) >= len(kinds):
		return nil, fmt.Errorf("a value of type %d; types are 0 to %d", k, len(kinds)-1)
	case k == kindString:
		return r.string("a string")
	case k == kindArray:
		return r.readArray(1)
	}
	b, err := r.take(uint64(kinds[k].leastBytes), "a value")
	if err != nil {
		return nil, err
	}
	v := reflect.New(kinds[k].value)
	if _, err := binary.Decode(b, binary.LittleEndian, v.Interface()); err != nil {
		return nil, err
	}
	return v.Elem().Interface(), nil
}

func (r *reader) readArray(depth int) (any, error) {
	k, err := r.uint32("the type of an array's elements")
	if err != nil {
		return nil, err
	}
	if int(k) >= len(kinds) {
		return nil, fmt.Errorf("an array of type %d; types are 0 to %d", k, len(kinds)-1)
	}
	n, err := r.count("elements of type "+kinds[k].name, kinds[k].leastBytes)
	if err != nil {
		return nil, err
	}
	switch kind(k) {
	case kindString:
		return r.readStrings(n)
	case kindArray:
		return r.readArrays(n, depth)
	}
	b, err := r.take(uint64(n)*uint64(kinds[k].leastBytes), "an array")
	if err != nil {
		return nil, err
	}
	v := reflect.MakeSlice(kinds[k].many, n, n).Interface()
	if _, err := binary.Decode(b, binary.LittleEndian, v); err != nil {
		return nil, err
	}
	return v, nil
}

// readStrings reads n strings into one piece of memory.
func (r *reader) readStrings(n int) ([]string, error) {
	start := r.at
	for i := range n {
		size, err := r.uint64("the length of a string")
		if err == nil {
			_, err = r.take(size, "a string")
		}
		if err != nil {
			return nil, fmt.Errorf("element %d of %d: %w", i+1, n, err)
		}
	}
	all, at := string(r.file[start:r.at]), 0
	out := make([]string, n)
	for i := range out {
		size := int(binary.LittleEndian.Uint64(r.file[start+at:]))
		out[i] = all[at+8 : at+8+size]
		at += 8 + size
	}
	return out, nil
}

func (r *reader) readArrays(n, depth int) ([]any, error) {
	if depth == maxDepth {
		return nil, fmt.Errorf("arrays in arrays, more than %d deep", maxDepth)
	}
	out := make([]any, n)
	for i := range out {
		var err error
		if out[i], err = r.readArray(depth + 1); err != nil {
			return nil, fmt.Errorf("element %d of %d: %w", i+1, n, err)
		}
	}
	return out, nil
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
