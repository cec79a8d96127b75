package gguf

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// Type is how a tensor's values are stored, by GGML's number.
type Type uint32

// The types whose values can be read. GGML's names are kept.
const (
	F32   Type = 0
	F16   Type = 1
	Q4_0  Type = 2
	Q4_1  Type = 3
	Q5_0  Type = 6
	Q5_1  Type = 7
	Q8_0  Type = 8
	Q2K   Type = 10
	Q3K   Type = 11
	Q4K   Type = 12
	Q5K   Type = 13
	Q6K   Type = 14
	IQ4NL Type = 20
	IQ4XS Type = 23
	I8    Type = 24
	I16   Type = 25
	I32   Type = 26
	I64   Type = 27
	F64   Type = 28
	BF16  Type = 30
	MXFP4 Type = 39
)

// ErrUnsupported is the error of a type whose values cannot be read, or cannot be written.
var ErrUnsupported = errors.New("unsupported type")

// use is what this package does with a type's values.
type use uint8

const (
	sized     use = iota // nothing: only its size is known
	readable             // reads them as float32
	writable             // reads and writes them as float32
	integer              // reads and writes them as integers
	removed              // the format no longer has it
	transient            // a type of computations, which no file has
)

// layout says how a type is stored: in blocks of how many values and bytes.
type layout struct {
	name          string
	values, bytes int
	use           use
}

// rowBytes is the size of a row of cols values, whole blocks.
func (l layout) rowBytes(cols int) int { return cols / l.values * l.bytes }

// layouts are the types by number (ggml.h, enum ggml_type; the sizes are those of the structs in ggml-common.h).
var layouts = [...]layout{
	{"F32", 1, 4, writable}, {"F16", 1, 2, writable}, {"Q4_0", 32, 18, writable}, {"Q4_1", 32, 20, writable},
	{"Q4_2", 0, 0, removed}, {"Q4_3", 0, 0, removed}, {"Q5_0", 32, 22, writable}, {"Q5_1", 32, 24, writable},
	{"Q8_0", 32, 34, writable}, {"Q8_1", 0, 0, transient}, {"Q2_K", 256, 84, readable}, {"Q3_K", 256, 110, readable},
	{"Q4_K", 256, 144, writable}, {"Q5_K", 256, 176, writable}, {"Q6_K", 256, 210, writable}, {"Q8_K", 0, 0, transient},
	{"IQ2_XXS", 256, 66, sized}, {"IQ2_XS", 256, 74, sized}, {"IQ3_XXS", 256, 98, sized}, {"IQ1_S", 256, 50, sized},
	{"IQ4_NL", 32, 18, readable}, {"IQ3_S", 256, 110, sized}, {"IQ2_S", 256, 82, sized}, {"IQ4_XS", 256, 136, readable},
	{"I8", 1, 1, integer}, {"I16", 1, 2, integer}, {"I32", 1, 4, integer}, {"I64", 1, 8, integer},
	{"F64", 1, 8, readable}, {"IQ1_M", 256, 56, sized}, {"BF16", 1, 2, writable}, {"Q4_0_4_4", 0, 0, removed},
	{"Q4_0_4_8", 0, 0, removed}, {"Q4_0_8_8", 0, 0, removed}, {"TQ1_0", 256, 54, sized}, {"TQ2_0", 256, 66, sized},
	{"IQ4_NL_4_4", 0, 0, removed}, {"IQ4_NL_4_8", 0, 0, removed}, {"IQ4_NL_8_8", 0, 0, removed}, {"MXFP4", 32, 17, writable},
	{"NVFP4", 64, 36, sized}, {"Q1_0", 128, 18, sized}, {"Q2_0", 64, 18, sized},
}

func (t Type) layout() layout {
	if int(t) < len(layouts) {
		return layouts[t]
	}
	return layout{name: fmt.Sprintf("type %d", uint32(t)), use: removed}
}

// String is the type's name, such as Q4_K.
func (t Type) String() string { return t.layout().name }

// BlockValues is how many values a block has, 1 for a type without blocks. A row is a whole number of blocks.
func (t Type) BlockValues() int { return t.layout().values }

// BlockBytes is how many bytes a block has.
func (t Type) BlockBytes() int { return t.layout().bytes }

// Quantized says whether values share a block.
func (t Type) Quantized() bool { return t.layout().values > 1 }

// ParseType finds a type by its name, in upper or lower case.
func ParseType(name string) (Type, error) {
	for t, l := range layouts {
		if strings.EqualFold(l.name, name) {
			return Type(t), Type(t).stored()
		}
	}
	return 0, fmt.Errorf("gguf: unknown type %q%s", name, suggest.Hint(name, names(readable, writable, integer)))
}

// stored is an error for a type that no file may have.
func (t Type) stored() error {
	switch l := t.layout(); {
	case int(t) >= len(layouts):
		return fmt.Errorf("%w: %d is no type that this program knows; the last one it knows is %d, %s",
			ErrUnsupported, uint32(t), len(layouts)-1, layouts[len(layouts)-1].name)
	case l.use == removed:
		return fmt.Errorf("%w: %s was removed from the format", ErrUnsupported, t)
	case l.use == transient:
		return fmt.Errorf("%w: %s is for computations and not for files", ErrUnsupported, t)
	}
	return nil
}

// readable is an error for a type whose values are not read as floats.
func (t Type) readable() error {
	if u := t.layout().use; u != readable && u != writable {
		return fmt.Errorf("%w: %s is not read as floats; %s are", ErrUnsupported, t, strings.Join(names(readable, writable), ", "))
	}
	return nil
}

// writable is an error for a type that floats are not quantized to.
func (t Type) writable() error {
	if t.layout().use != writable {
		return fmt.Errorf("%w: %s is not written; %s are", ErrUnsupported, t, strings.Join(names(writable), ", "))
	}
	return nil
}

// maxDims is the format's limit.
const maxDims = 4

// names are those of the types of these uses.
func names(uses ...use) []string {
	var all []string
	for _, l := range layouts {
		if slices.Contains(uses, l.use) {
			all = append(all, l.name)
		}
	}
	return all
}

// size is the number of values and bytes of a tensor, or what is wrong with its shape.
func (t Type) size(shape []int) (values, bytes int, err error) {
	if err := t.stored(); err != nil {
		return 0, 0, err
	}
	if len(shape) > maxDims {
		return 0, 0, fmt.Errorf("%d dimensions; there are up to %d", len(shape), maxDims)
	}
	l, n := t.layout(), uint64(1)
	for _, extent := range shape {
		if extent < 1 {
			return 0, 0, fmt.Errorf("shape %v has an extent below 1", shape)
		}
		high, low := bits.Mul64(n, uint64(extent))
		if high != 0 || low > math.MaxInt/8 { // no type takes more than 8 bytes a value
			return 0, 0, fmt.Errorf("shape %v is too large to count", shape)
		}
		n = low
	}
	if row := lastOf(shape); row%l.values != 0 {
		return 0, 0, fmt.Errorf("rows of %d values are not a whole number of %s's blocks of %d", row, t, l.values)
	}
	return int(n), int(n) / l.values * l.bytes, nil
}

// lastOf is the length of a row.
func lastOf(shape []int) int {
	if len(shape) == 0 {
		return 1
	}
	return shape[len(shape)-1]
}
