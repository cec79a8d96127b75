package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/spagotune/spagotune/internal/wording"
)

// field is one field of a protobuf message.
type field struct {
	num protowire.Number
	typ protowire.Type
	n   uint64 // of a varint or a fixed32
	b   []byte // of a length-delimited field; part of the file's bytes
}

// eachField calls f with each field of a message.
func eachField(raw []byte, f func(field) error) error {
	for rest := raw; len(rest) > 0; {
		at := len(raw) - len(rest)
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return fmt.Errorf("byte %d: %w", at, protowire.ParseError(n))
		}
		rest = rest[n:]
		v := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			v.n, n = protowire.ConsumeVarint(rest)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(rest)
			v.n = uint64(bits)
		case protowire.BytesType:
			v.b, n = protowire.ConsumeBytes(rest)
		default:
			n = protowire.ConsumeFieldValue(num, typ, rest)
		}
		if n < 0 {
			return fmt.Errorf("byte %d: field %d: %w", at, num, protowire.ParseError(n))
		}
		rest = rest[n:]
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

func (v field) want(typ protowire.Type, name string) error {
	if v.typ != typ {
		return fmt.Errorf("%s: field %d has wire type %d, want %d", name, v.num, v.typ, typ)
	}
	return nil
}

func (v field) message(name string, f func(field) error) error {
	if err := v.want(protowire.BytesType, name); err != nil {
		return err
	}
	if err := eachField(v.b, f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (v field) bytes(name string) ([]byte, error) { return v.b, v.want(protowire.BytesType, name) }

func (v field) text(name string, limit int) (string, error) {
	if err := v.want(protowire.BytesType, name); err != nil {
		return "", err
	}
	if len(v.b) > limit || !utf8.Valid(v.b) {
		return "", fmt.Errorf("%s: %d bytes %q, want at most %d of UTF-8", name, len(v.b), wording.Clip(string(v.b), 30), limit)
	}
	return string(v.b), nil
}

func (v field) number(name string) (uint64, error) { return v.n, v.want(protowire.VarintType, name) }

func (v field) bool(name string) (bool, error) { return v.n != 0, v.want(protowire.VarintType, name) }

func (v field) float(name string) (float32, error) {
	return math.Float32frombits(uint32(v.n)), v.want(protowire.Fixed32Type, name)
}
