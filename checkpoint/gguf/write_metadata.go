package gguf

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/spagotune/spagotune/internal/wording"
)

// appendPairs appends the metadata in order.
func appendPairs(b []byte, m *Metadata) ([]byte, error) {
	for _, key := range m.keys {
		if key == "" || len(key) > maxKey {
			return nil, fmt.Errorf("a key of %d bytes, want 1 to %d", len(key), maxKey)
		}
		b = appendString(b, key)
		var err error
		if b, err = appendValue(b, m.values[key]); err != nil {
			return nil, fmt.Errorf("metadata key %q: %w", wording.Clip(key, maxQuoted), err)
		}
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends a value after its kind.
func appendValue(b []byte, v any) ([]byte, error) {
	k, slice, ok := kindOf(v)
	if !ok {
		return nil, fmt.Errorf("a value of Go's type %T; GGUF has uint8 to uint64, int8 to int64, float32, float64, bool, string, and slices of these", v)
	}
	if slice {
		return appendArray(binary.LittleEndian.AppendUint32(b, uint32(kindArray)), k, v, 1)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	if s, ok := v.(string); ok {
		return appendString(b, s), nil
	}
	return binary.Append(b, binary.LittleEndian, v)
}

// appendArray appends an array without the kind that says that it is one.
func appendArray(b []byte, k kind, v any, depth int) ([]byte, error) {
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	switch v := v.(type) {
	case []string:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	case []any:
		if depth == maxDepth {
			return nil, fmt.Errorf("arrays in arrays, more than %d deep", maxDepth)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
		for i, x := range v {
			k, slice, ok := kindOf(x)
			if !ok || !slice {
				return nil, fmt.Errorf("element %d is %s; those of []any must be slices", i, nameOf(x))
			}
			var err error
			if b, err = appendArray(b, k, x, depth+1); err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return b, nil
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(reflect.ValueOf(v).Len()))
	return binary.Append(b, binary.LittleEndian, v)
}
