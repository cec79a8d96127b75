package checkpoint

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/x448/float16"
)

// Tensor is a named array. Its elements are little-endian and in row-major order.
type Tensor struct {
	Name  string
	DType DType
	// Shape has the size of each dimension. A scalar has none.
	Shape []int
	// Data of an opened file may be memory-mapped. Never write to it, and do not use it after Close.
	Data []byte
	// Scales are those of DTypeMXFP4, a byte for each group of 32 values; other types have none.
	Scales []byte
	// File is the path of the file that the tensor is from, or "".
	File string
}

// Size is the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// check returns what is wrong with the type, the shape or the length of the data.
func (t Tensor) check() error {
	need, err := byteSize(t.DType, t.Shape)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if need != uint64(len(t.Data)) {
		return fmt.Errorf("tensor %q: shape %v in %s needs %d bytes, its data has %d", t.Name, t.Shape, t.DType, need, len(t.Data))
	}
	return nil
}

// byteSize returns the number of bytes of an array. A size that does not fit into an integer is an error.
func byteSize(d DType, shape []int) (uint64, error) {
	if d.bits() == 0 {
		return 0, fmt.Errorf("unknown element type %q", d)
	}
	total := uint64(1)
	for _, extent := range append([]int{d.bits()}, shape...) {
		if extent < 0 {
			return 0, fmt.Errorf("shape %v has a negative extent", shape)
		}
		high, low := bits.Mul64(total, uint64(extent))
		if high != 0 || low > math.MaxInt64 {
			return 0, fmt.Errorf("shape %v in %s is too large to count", shape, d)
		}
		total = low
	}
	if total%8 != 0 {
		return 0, fmt.Errorf("shape %v in %s fills no whole number of bytes", shape, d)
	}
	return total / 8, nil
}

// F32 makes a tensor over data, which is not copied: do not change it before the tensor is written. Without a shape,
// the tensor is a scalar. Here and below, a shape that does not fit the data is an error when the tensor is used.
func F32(name string, data []float32, shape ...int) Tensor {
	return Tensor{Name: name, DType: DTypeF32, Shape: shape, Data: bytesOf(data)}
}

// I64 makes a tensor over data, which is not copied.
func I64(name string, data []int64, shape ...int) Tensor {
	return Tensor{Name: name, DType: DTypeI64, Shape: shape, Data: bytesOf(data)}
}

// BF16 makes a tensor over bfloat16 bits, which are not copied.
func BF16(name string, data []uint16, shape ...int) Tensor {
	return Tensor{Name: name, DType: DTypeBF16, Shape: shape, Data: bytesOf(data)}
}

// F16 makes a tensor over half-precision bits, which are not copied.
func F16(name string, data []uint16, shape ...int) Tensor {
	return Tensor{Name: name, DType: DTypeF16, Shape: shape, Data: bytesOf(data)}
}

// BF16FromFloat32 makes a bfloat16 tensor of data, rounded to nearest, ties to even.
func BF16FromFloat32(name string, data []float32, shape ...int) Tensor {
	half := make([]uint16, len(data))
	for i, x := range data {
		half[i] = bf16(x)
	}
	return BF16(name, half, shape...)
}

// F16FromFloat32 makes a half-precision tensor of data, rounded to nearest, ties to even. Values beyond 65504 become
// infinite.
func F16FromFloat32(name string, data []float32, shape ...int) Tensor {
	half := make([]uint16, len(data))
	for i, x := range data {
		half[i] = float16.Fromfloat32(x).Bits()
	}
	return F16(name, half, shape...)
}

func bf16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 0x40 // a NaN stays a NaN
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
