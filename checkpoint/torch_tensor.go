package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// torchStorage is a run of elements. Tensors are views of it.
type torchStorage struct {
	key   string
	dtype DType
	size  uint64 // in bytes, as the pickle states it
}

// torchTensor is a tensor as the pickle states it. It is not checked. Offset and strides count elements.
type torchTensor struct {
	storage       *torchStorage
	dtype         DType
	offset        int64
	shape, stride tuple
}

// maxDims is PyTorch's own limit.
const maxDims = 64

// storageSet holds the storages of a file by key.
type storageSet map[string]*torchStorage

// find reads a persistent id, ("storage", class, key, device, elements, …).
func (s storageSet) find(id any) (*torchStorage, error) {
	t, ok := id.(tuple)
	if !ok || len(t) < 5 || t[0] != any("storage") {
		return nil, fmt.Errorf("a persistent id that is %s; want a tuple (\"storage\", class, key, device, elements)", kind(id))
	}
	class, ok1 := t[1].(storageType)
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	if !ok1 || !ok2 || !ok3 || n < 0 {
		return nil, fmt.Errorf("a storage with %s as class, %s as key, %s as number of elements", kind(t[1]), kind(t[2]), kind(t[4]))
	}
	high, size := bits.Mul64(uint64(n), uint64(DType(class).Size()))
	if high != 0 || size > math.MaxInt64 {
		return nil, fmt.Errorf("storage %s: %d elements are too many to count in bytes", quoted(key), n)
	}
	found := s[key]
	switch {
	case found == nil:
		s[key] = &torchStorage{key: key, dtype: DType(class), size: size}
	case found.size != size || found.dtype != DType(class):
		return nil, fmt.Errorf("storage %s is stated as %d bytes of %s and as %d bytes of %s", quoted(key), found.size, found.dtype, size, DType(class))
	}
	return s[key], nil
}

// copies is the number of bytes that the strided tensors of a file may still take.
type copies uint64

// tensor checks and converts t. If its elements are in row-major order its data stay in place, otherwise they are
// copied.
func (t *torchTensor) tensor(name, path string, data []byte, left *copies) (Tensor, error) {
	shape, stride, err := t.layout()
	if err != nil {
		return Tensor{}, err
	}
	out := Tensor{Name: name, DType: t.dtype, Shape: shape, File: path, Data: []byte{}}
	need, err := byteSize(t.dtype, shape)
	if err != nil || need == 0 {
		return out, err
	}
	size := uint64(t.dtype.Size())
	held := uint64(len(data)) / size
	last, ok := lastElement(t.offset, shape, stride)
	if !ok || last >= held {
		return out, fmt.Errorf("shape %v with strides %v from element %d on does not fit in a storage of %d elements of type %s",
			shape, stride, t.offset, held, t.dtype)
	}
	begin := uint64(t.offset) * size
	if rowMajor(shape, stride) {
		out.Data = data[begin : begin+need : begin+need]
		return out, nil
	}
	if need > uint64(len(data)) {
		return out, fmt.Errorf("shape %v with strides %v repeats the %d elements of its storage; call contiguous() before saving", shape, stride, held)
	}
	if need > uint64(*left) {
		return out, errors.New("transposed tensors that are more than the file in all; call contiguous() before saving")
	}
	*left -= copies(need)
	out.Data = gather(data[begin:], shape, stride, int(size), int(need))
	return out, nil
}

// layout reads shape and strides.
func (t *torchTensor) layout() (shape, stride []int, err error) {
	if len(t.shape) != len(t.stride) || len(t.shape) > maxDims {
		return nil, nil, fmt.Errorf("%d extents with %d strides; want as many, and at most %d", len(t.shape), len(t.stride), maxDims)
	}
	if t.offset < 0 {
		return nil, nil, fmt.Errorf("negative offset %d", t.offset)
	}
	shape, stride = make([]int, len(t.shape)), make([]int, len(t.shape))
	for i := range shape {
		extent, ok1 := t.shape[i].(int64)
		step, ok2 := t.stride[i].(int64)
		if !ok1 || !ok2 || extent < 0 || step < 0 || int64(int(extent)) != extent || int64(int(step)) != step {
			return nil, nil, fmt.Errorf("extent %d or its stride is not a count", i)
		}
		shape[i], stride[i] = int(extent), int(step)
	}
	return shape, stride, nil
}

// lastElement returns the index of the last element in the storage, and false on overflow. No dimension is 0.
func lastElement(offset int64, shape, stride []int) (uint64, bool) {
	last := uint64(offset)
	for i, extent := range shape {
		high, span := bits.Mul64(uint64(extent-1), uint64(stride[i]))
		sum, carry := bits.Add64(last, span, 0)
		if high != 0 || carry != 0 {
			return 0, false
		}
		last = sum
	}
	return last, true
}

// rowMajor says that the elements follow each other in order.
func rowMajor(shape, stride []int) bool {
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] != 1 && stride[i] != step {
			return false
		}
		step *= shape[i]
	}
	return true
}

// gather copies elements of size bytes, need bytes in total, into row-major order.
func gather(data []byte, shape, stride []int, size, need int) []byte {
	out := make([]byte, need)
	index := make([]int, len(shape))
	at := 0
	for to := 0; to < need; to += size {
		copy(out[to:to+size], data[at*size:])
		for d := len(shape) - 1; d >= 0; d-- {
			index[d]++
			at += stride[d]
			if index[d] < shape[d] {
				break
			}
			at -= stride[d] * shape[d]
			index[d] = 0
		}
	}
	return out
}
