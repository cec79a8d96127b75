package checkpoint

// DType is an element type, by its name in a safetensors header.
type DType string

// The element types whose values can be read.
const (
	DTypeF64  DType = "F64"
	DTypeF32  DType = "F32"
	DTypeF16  DType = "F16"
	DTypeBF16 DType = "BF16"
	DTypeI64  DType = "I64"
	DTypeI32  DType = "I32"
	DTypeI16  DType = "I16"
	DTypeI8   DType = "I8"
	DTypeU64  DType = "U64"
	DTypeU32  DType = "U32"
	DTypeU16  DType = "U16"
	DTypeU8   DType = "U8"
	DTypeBool DType = "BOOL"
)

// elementTypes are all types of the format. The reference writer (safetensors 0.8) writes tensors in this order of
// types, from last to first. Tensors of the types without a constant above can be loaded and written, but their values
// cannot be read.
var elementTypes = []struct {
	name DType
	bits int
}{
	{DTypeBool, 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {DTypeU8, 8}, {DTypeI8, 8},
	{"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
	{DTypeI16, 16}, {DTypeU16, 16}, {DTypeF16, 16}, {DTypeBF16, 16},
	{DTypeI32, 32}, {DTypeU32, 32}, {DTypeF32, 32}, {"C64", 64}, {DTypeF64, 64}, {DTypeI64, 64}, {DTypeU64, 64},
}

// rank returns d's index in elementTypes, -1 for a type that the format does not have.
func (d DType) rank() int {
	for i, e := range elementTypes {
		if e.name == d {
			return i
		}
	}
	return -1
}

// bits is the size of one element, 0 for an unknown type.
func (d DType) bits() int {
	if i := d.rank(); i >= 0 {
		return elementTypes[i].bits
	}
	return 0
}

// Size is the number of bytes of one element. It is 0 for an unknown type, and where it is not a whole number (F4, F6).
func (d DType) Size() int {
	if b := d.bits(); b%8 == 0 {
		return b / 8
	}
	return 0
}
