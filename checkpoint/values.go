package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/x448/float16"
)

// littleEndian says that this machine stores numbers as the files do, so bytes can be read in place.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

type number interface {
	float32 | uint16 | int64
}

// view returns b as numbers, in place. It is false if they are not aligned, or stored in the other byte order.
func view[T number](b []byte) ([]T, bool) {
	var one T
	n := len(b) / int(unsafe.Sizeof(one))
	if n == 0 {
		return []T{}, true
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if !littleEndian || uintptr(p)%unsafe.Alignof(one) != 0 {
		return nil, false
	}
	return unsafe.Slice((*T)(p), n), true
}

// bytesOf returns x as little-endian bytes, in place if the machine allows it.
func bytesOf[T number](x []T) []byte {
	if len(x) == 0 {
		return []byte{}
	}
	if !littleEndian {
		b, err := binary.Append(nil, binary.LittleEndian, x)
		if err != nil {
			panic(err) // every number can be encoded
		}
		return b
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
}

// Float32View returns the data in place. That works only for F32 that is aligned in memory. Never write to it.
func (t Tensor) Float32View() ([]float32, bool) {
	if t.DType != DTypeF32 || t.check() != nil {
		return nil, false
	}
	return view[float32](t.Data)
}

// Uint16s returns the bits of a 16-bit type (BF16, F16, I16, U16). If they are aligned they are in place, so never
// write to them; otherwise they are a copy. For other types it returns nil.
func (t Tensor) Uint16s() []uint16 {
	if t.DType.Size() != 2 || t.check() != nil {
		return nil
	}
	if v, ok := view[uint16](t.Data); ok {
		return v
	}
	out := make([]uint16, len(t.Data)/2)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(t.Data[2*i:])
	}
	return out
}

// Float32s returns a copy of the values, converted from F32, BF16, F16 or F64.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.check(); err != nil {
		return nil, t.fail(err)
	}
	if v, ok := t.Float32View(); ok {
		return append([]float32{}, v...), nil
	}
	n, le := t.Size(), binary.LittleEndian
	switch t.DType {
	case DTypeF32:
		return collect(n, func(i int) float32 { return math.Float32frombits(le.Uint32(t.Data[4*i:])) }), nil
	case DTypeBF16:
		return collect(n, func(i int) float32 { return math.Float32frombits(uint32(le.Uint16(t.Data[2*i:])) << 16) }), nil
	case DTypeF16:
		return collect(n, func(i int) float32 { return float16.Frombits(le.Uint16(t.Data[2*i:])).Float32() }), nil
	case DTypeF64:
		return collect(n, func(i int) float32 { return float32(math.Float64frombits(le.Uint64(t.Data[8*i:]))) }), nil
	}
	return nil, t.fail(fmt.Errorf("tensor %q: element type %s is not read as floats (F32, BF16, F16 and F64 are)", t.Name, t.DType))
}

// Int64s returns a copy of the values of an integer or boolean type.
func (t Tensor) Int64s() ([]int64, error) {
	if err := t.check(); err != nil {
		return nil, t.fail(err)
	}
	n, le := t.Size(), binary.LittleEndian
	switch t.DType {
	case DTypeI64, DTypeU64:
		out := collect(n, func(i int) int64 { return int64(le.Uint64(t.Data[8*i:])) })
		if i := slices.IndexFunc(out, func(x int64) bool { return x < 0 }); i >= 0 && t.DType == DTypeU64 {
			return nil, t.fail(fmt.Errorf("tensor %q: element %d, %d, does not fit in 64 bits with a sign", t.Name, i, uint64(out[i])))
		}
		return out, nil
	case DTypeI32:
		return collect(n, func(i int) int64 { return int64(int32(le.Uint32(t.Data[4*i:]))) }), nil
	case DTypeU32:
		return collect(n, func(i int) int64 { return int64(le.Uint32(t.Data[4*i:])) }), nil
	case DTypeI16:
		return collect(n, func(i int) int64 { return int64(int16(le.Uint16(t.Data[2*i:]))) }), nil
	case DTypeU16:
		return collect(n, func(i int) int64 { return int64(le.Uint16(t.Data[2*i:])) }), nil
	case DTypeI8:
		return collect(n, func(i int) int64 { return int64(int8(t.Data[i])) }), nil
	case DTypeU8, DTypeBool:
		return collect(n, func(i int) int64 { return int64(t.Data[i]) }), nil
	}
	return nil, t.fail(fmt.Errorf("tensor %q: element type %s is not read as integers (I64, I32, I16, I8, U64, U32, U16, U8 and BOOL are)", t.Name, t.DType))
}

func collect[T number](n int, at func(i int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = at(i)
	}
	return out
}

// fail puts the file, if there is one, before err.
func (t Tensor) fail(err error) error {
	if t.File == "" {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return fmt.Errorf("checkpoint: %s: %w", t.File, err)
}
