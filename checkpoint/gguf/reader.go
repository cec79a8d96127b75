package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// reader reads a header from its beginning.
type reader struct {
	file []byte
	at   int
	cut  bool // the file goes on after what is read of it
}

// readMagic reads what says that this is a GGUF file, and of which version.
func (r *reader) readMagic(size int) error {
	if begins := r.file[:min(len(magic), len(r.file))]; string(begins) != magic {
		return fmt.Errorf("not a GGUF file: it has %d bytes and begins with %q, want %q", size, begins, magic)
	}
	if len(r.file) < 8 {
		return fmt.Errorf("the file is cut off: it has %d bytes, and the shortest GGUF file 24", size)
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

// count reads how many of something follow. Each takes at least a given number of bytes, which the file must have.
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
