package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// matrixTypes are the names under which gob has Spago's matrices, and the size of their elements.
var matrixTypes = map[string]uint64{"*mat.Dense[float32]": 4, "*mat.Dense[float64]": 8}

// checkMatrices checks the matrices in a file that gob wrote (spago_model.bin), before Spago decodes them: it takes the memory that
// a damaged length asks for, which no recover can help. A matrix is a FlatBuffers table, and stands after the name of its type.
func checkMatrices(raw []byte) error {
	for name, size := range matrixTypes {
		for at := 0; ; {
			i := bytes.Index(raw[at:], []byte(name))
			if i < 0 {
				break
			}
			at += i + len(name)
			table, ok := gobMatrix(raw[at:])
			if !ok {
				return fmt.Errorf("is damaged: no matrix follows at byte %d", at)
			}
			if err := checkMatrix(table, size); err != nil {
				return fmt.Errorf("is damaged: the matrix at byte %d: %w", at, err)
			}
		}
	}
	return nil
}

// gobMatrix returns the bytes of the value that follows a type's name (encoding/gob, Encoding Details): the first time the type's
// definition and the length of what comes, then the type's number, the length of the value with its own, a zero, and the value as a
// length and its bytes.
func gobMatrix(b []byte) (table []byte, ok bool) {
	n, b := gobUint(b)
	if n&1 == 1 { // a negative number: the definition of the type
		if b = gobDefinition(b); b == nil {
			return nil, false
		}
		_, b = gobUint(b)
		_, b = gobUint(b)
	}
	_, b = gobUint(b)
	if len(b) == 0 || b[0] != 0 {
		return nil, false
	}
	if n, b = gobUint(b[1:]); b == nil || n > uint64(len(b)) {
		return nil, false
	}
	return b[:n:n], true
}

// gobDefinition skips the definition of a type that marshals itself: field 6 of gob's wireType, of which field 1 is the name, which may be
// missing, and the number. It returns nil if the bytes are none.
func gobDefinition(b []byte) []byte {
	b, ok := bytes.CutPrefix(b, []byte{6, 1})
	if !ok {
		return nil
	}
	delta := byte(2)
	if len(b) > 0 && b[0] == 1 {
		n, rest := gobUint(b[1:])
		if n > uint64(len(rest)) {
			return nil
		}
		b, delta = rest[n:], 1
	}
	if b, ok = bytes.CutPrefix(b, []byte{delta}); !ok {
		return nil
	}
	_, b = gobUint(b)
	if b, ok = bytes.CutPrefix(b, []byte{0, 0, 0}); !ok {
		return nil
	}
	return b
}

// gobUint reads an unsigned number as gob writes it: a byte below 128, or the negated count of the bytes that follow, the highest
// first. rest is nil if there is none.
func gobUint(b []byte) (n uint64, rest []byte) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] < 128 {
		return uint64(b[0]), b[1:]
	}
	count := -int(int8(b[0]))
	if count > 8 || len(b) <= count {
		return 0, nil
	}
	for _, c := range b[1 : 1+count] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+count:]
}

// The fields of Spago's table of a matrix (its mat/fbs/dense.fbs), as places in the table's vtable.
const (
	fieldShape = 8
	fieldData  = 10
)

var errTable = errors.New("its table does not lie within its bytes")

// checkMatrix checks that shape and data lie within the table's bytes, and that the data are as many as the shape says.
func checkMatrix(b []byte, size uint64) error {
	shape, err1 := tableVector(b, fieldShape, 4)
	data, err2 := tableVector(b, fieldData, size)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	elements := uint64(1)
	for ; len(shape) > 0; shape = shape[4:] {
		n := uint64(binary.LittleEndian.Uint32(shape))
		if n > math.MaxInt32 || n > 0 && elements > uint64(len(b))/n {
			return fmt.Errorf("its shape has more elements than the %d bytes that it takes", len(b))
		}
		elements *= n
	}
	if have := uint64(len(data)) / size; elements != have {
		return fmt.Errorf("its shape has %d elements, and it holds %d", elements, have)
	}
	return nil
}

// tableVector returns the bytes of a vector in the root table of a FlatBuffers buffer, nil if the table lacks it.
func tableVector(b []byte, field, size uint64) ([]byte, error) {
	u32 := func(at uint64) (uint64, bool) {
		if at > uint64(len(b)) || uint64(len(b))-at < 4 {
			return 0, false
		}
		return uint64(binary.LittleEndian.Uint32(b[at:])), true
	}
	u16 := func(at uint64) (uint64, bool) {
		if at > uint64(len(b)) || uint64(len(b))-at < 2 {
			return 0, false
		}
		return uint64(binary.LittleEndian.Uint16(b[at:])), true
	}
	table, ok1 := u32(0)
	back, ok2 := u32(table)
	vtable := table - uint64(int64(int32(back))) // wraps where it is negative, and then lies outside
	length, ok3 := u16(vtable)
	if !ok1 || !ok2 || !ok3 {
		return nil, errTable
	}
	if field >= length {
		return nil, nil
	}
	offset, ok := u16(vtable + field)
	if !ok {
		return nil, errTable
	}
	if offset == 0 {
		return nil, nil
	}
	to, ok1 := u32(table + offset)
	vector := table + offset + to
	n, ok2 := u32(vector)
	if !ok1 || !ok2 || n*size > uint64(len(b))-vector-4 {
		return nil, errTable
	}
	return b[vector+4:][:n*size], nil
}
