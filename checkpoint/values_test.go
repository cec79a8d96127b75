package checkpoint

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestFloat32s(t *testing.T) {
	inf := float32(math.Inf(1))
	tests := []struct {
		dtype DType
		data  []byte
		want  []float32
	}{
		{DTypeF32, []byte{0, 0, 0xc0, 0x3f, 0, 0, 0x80, 0xff}, []float32{1.5, -inf}},
		{DTypeBF16, []byte{0xc0, 0x3f, 0, 0x80, 0x80, 0x7f}, []float32{1.5, float32(math.Copysign(0, -1)), inf}},
		{DTypeF16, []byte{0, 0x3e, 1, 0, 0xff, 0x7b, 0, 0xfc}, []float32{1.5, 0x1p-24, 65504, -inf}},
		{DTypeF64, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, []float32{1.5}},
		{DTypeF32, nil, []float32{}},
	}
	for _, tt := range tests {
		x := Tensor{Name: "x", DType: tt.dtype, Shape: []int{len(tt.want)}, Data: tt.data}
		for shift := range 2 { // aligned or not, the values are the same
			x.Data = append(make([]byte, 16+shift), tt.data...)[16+shift:]
			got, err := x.Float32s()
			if err != nil || got == nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, shifted by %d: got %v, %v, want %v", tt.dtype, shift, got, err, tt.want)
			}
		}
	}
}

func TestInt64s(t *testing.T) {
	tests := []struct {
		dtype DType
		data  []byte
		want  []int64
	}{
		{DTypeI64, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []int64{-2}},
		{DTypeU64, []byte{2, 1, 0, 0, 0, 0, 0, 0}, []int64{258}},
		{DTypeI32, []byte{0xfe, 0xff, 0xff, 0xff}, []int64{-2}},
		{DTypeU32, []byte{0xfe, 0xff, 0xff, 0xff}, []int64{math.MaxUint32 - 1}},
		{DTypeI16, []byte{0xfe, 0xff, 1, 0}, []int64{-2, 1}},
		{DTypeU16, []byte{0xfe, 0xff}, []int64{65534}},
		{DTypeI8, []byte{0xfe}, []int64{-2}},
		{DTypeU8, []byte{0xfe}, []int64{254}},
		{DTypeBool, []byte{0, 1}, []int64{0, 1}},
	}
	for _, tt := range tests {
		got, err := Tensor{DType: tt.dtype, Shape: []int{len(tt.want)}, Data: tt.data}.Int64s()
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.dtype, got, err, tt.want)
		}
	}
}

func TestValueErrors(t *testing.T) {
	floats := func(x Tensor) error { _, err := x.Float32s(); return err }
	ints := func(x Tensor) error { _, err := x.Int64s(); return err }
	tests := []struct {
		read func(Tensor) error
		x    Tensor
		want string
	}{
		{floats, I64("ids", []int64{1}, 1), `checkpoint: tensor "ids": element type I64 is not read as floats`},
		{ints, F32("x", []float32{1}), `element type F32 is not read as integers`},
		{ints, Tensor{Name: "x", DType: DTypeU64, Shape: []int{1}, Data: slices.Repeat([]byte{255}, 8)}, `element 0, 18446744073709551615, does not fit`},
		{floats, F32("x", []float32{1, 2}, 3), `tensor "x": shape [3] in F32 needs 12 bytes, its data has 8`},
		{floats, F32("x", []float32{1, 2}), `shape [] in F32 needs 4 bytes, its data has 8`},
		{floats, F32("x", []float32{1}, -1, -1), `shape [-1 -1] has a negative extent`},
		{ints, Tensor{Name: "x", DType: "X9", File: "a/b"}, `checkpoint: a/b: tensor "x": unknown element type "X9"`},
	}
	for _, tt := range tests {
		checkError(t, tt.want, tt.read(tt.x), tt.want)
	}
}

func TestViews(t *testing.T) {
	data := []float32{1, 2, 3}
	v, ok := F32("x", data, 3).Float32View()
	if ok != littleEndian || (ok && &v[0] != &data[0]) {
		t.Errorf("view %v, %v of %v", v, ok, data)
	}
	for name, x := range map[string]Tensor{"another type": BF16("x", []uint16{1, 2}, 2), "wrong size": F32("x", data, 2)} {
		if v, ok := x.Float32View(); ok {
			t.Errorf("%s: got a view %v", name, v)
		}
	}
	if v, ok := F32("x", nil, 0, 3).Float32View(); !ok || len(v) != 0 {
		t.Errorf("empty: got %v, %v", v, ok)
	}

	half := []uint16{0x3f80, 0xc000}
	x := BF16("x", half, 2)
	if got := x.Uint16s(); !slices.Equal(got, half) || (littleEndian && &got[0] != &half[0]) {
		t.Errorf("got %v, want %v in place", got, half)
	}
	x.Data = append(make([]byte, 17), x.Data...)[17:]
	if got := x.Uint16s(); !slices.Equal(got, half) {
		t.Errorf("not aligned: got %v, want %v", got, half)
	}
	if got := F32("x", data, 3).Uint16s(); got != nil {
		t.Errorf("of F32: got %v", got)
	}
}

// Rounding is to nearest, ties to even. What does not fit becomes infinite, and a NaN stays a NaN.
func TestHalfRounding(t *testing.T) {
	bits := math.Float32frombits
	tests := []struct {
		x         float32
		bf16, f16 uint16
	}{
		{1, 0x3f80, 0x3c00},
		{-2, 0xc000, 0xc000},
		{bits(0x3f808000), 0x3f80, 0x3c04}, // tie, down to even
		{bits(0x3f818000), 0x3f82, 0x3c0c}, // tie, up to even
		{bits(0x3f808001), 0x3f81, 0x3c04},
		{math.MaxFloat32, 0x7f80, 0x7c00},
		{65504, 0x4780, 0x7bff},
		{bits(0x7f800001), 0x7fc0, 0x7e00},
		{0x1p-25, 0x3300, 0},
	}
	for _, tt := range tests {
		b, f := BF16FromFloat32("", []float32{tt.x}).Uint16s()[0], F16FromFloat32("", []float32{tt.x}).Uint16s()[0]
		if b != tt.bf16 || f != tt.f16 {
			t.Errorf("%v: got bf16 %#x, f16 %#x, want %#x, %#x", tt.x, b, f, tt.bf16, tt.f16)
		}
	}
}

func TestDTypeSize(t *testing.T) {
	for d, want := range map[DType]int{"F64": 8, "F32": 4, "BF16": 2, "BOOL": 1, "F8_E4M3": 1, "F6_E2M3": 0, "F4": 0, "X9": 0, "": 0} {
		if got := d.Size(); got != want {
			t.Errorf("%q: got %d, want %d", d, got, want)
		}
	}
}

// A machine with the other byte order writes the same bytes and reads the same values.
func TestOtherByteOrder(t *testing.T) {
	if !littleEndian {
		t.Skip("this is such a machine")
	}
	littleEndian = false
	defer func() { littleEndian = true }()
	x := F32("x", []float32{1.5, -2}, 2)
	if want := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5)); !slices.Equal(x.Data[:4], want) {
		t.Errorf("got bytes %v, want %v", x.Data[:4], want)
	}
	got, err := x.Float32s()
	if err != nil || !slices.Equal(got, []float32{1.5, -2}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got := BF16("x", []uint16{1, 258}, 2).Uint16s(); !slices.Equal(got, []uint16{1, 258}) {
		t.Errorf("got %v", got)
	}
}
