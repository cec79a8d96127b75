package gguf

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/spagotune/spagotune/internal/wording"
)

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
