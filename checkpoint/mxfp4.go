package checkpoint

import (
	"fmt"
	"math"
	"slices"
)

// DTypeMXFP4 is 4-bit floats with a scale for each 32 of them. The safetensors format has no such type: transformers stores such a
// tensor as two, which PackedMXFP4 takes together. Write does not write it.
const DTypeMXFP4 DType = "MXFP4"

// A group is the values that share a scale; they take groupBytes bytes.
const (
	groupValues = 32
	groupBytes  = groupValues / 2
)

// PackedMXFP4 makes one tensor, [entries, in, out], of the two in which transformers stores experts' matrices: blocks are [entries, out,
// groups, 16] and scales [entries, out, groups], both U8, where in is 32 times groups. The tensor's Data are in the order of the blocks.
func PackedMXFP4(name string, blocks, scales Tensor) (Tensor, error) {
	b := blocks.Shape
	if blocks.DType != DTypeU8 || len(b) != 4 || b[3] != groupBytes {
		return Tensor{}, blocks.fail(fmt.Errorf("tensor %q: shape %v of %s; want [experts, rows, groups, %d] of U8", blocks.Name, b, blocks.DType, groupBytes))
	}
	if scales.DType != DTypeU8 || !slices.Equal(scales.Shape, b[:3]) {
		return Tensor{}, scales.fail(fmt.Errorf("tensor %q: shape %v of %s; want %v of U8, a scale for each group of %s", scales.Name, scales.Shape, scales.DType, b[:3], blocks.Name))
	}
	for _, t := range []Tensor{blocks, scales} {
		if err := t.check(); err != nil {
			return Tensor{}, t.fail(err)
		}
	}
	return Tensor{Name: name, DType: DTypeMXFP4, Shape: []int{b[0], b[2] * groupValues, b[1]}, Data: blocks.Data, Scales: scales.Data, File: blocks.File}, nil
}

// MXFP4 is a matrix of 4-bit floats with scales (OCP Microscaling Formats v1.0, 5.3.3, 5.4 and 6.3), as transformers stores it: a byte
// holds two neighbours of a row, the first one in its low bits. It is a tensor.Source.
type MXFP4 struct {
	blocks, scales []byte
	rows, cols     int
}

// MXFP4 views a tensor of DTypeMXFP4 with two dimensions, [in, out], as the matrix that is stored, [out, in].
func (t Tensor) MXFP4() (MXFP4, error) {
	if t.DType != DTypeMXFP4 || len(t.Shape) != 2 || 2*len(t.Data) != t.Size() || groupValues*len(t.Scales) != t.Size() {
		return MXFP4{}, t.fail(fmt.Errorf("tensor %q: shape %v of %s is no matrix of MXFP4", t.Name, t.Shape, t.DType))
	}
	return MXFP4{blocks: t.Data, scales: t.Scales, rows: t.Shape[1], cols: t.Shape[0]}, nil
}

// Dims returns the numbers of rows and columns.
func (m MXFP4) Dims() (rows, cols int) { return m.rows, m.cols }

// Block unpacks rows [i,i+m) and columns [j,j+n) into dst, ld values from row to row.
func (m MXFP4) Block(dst []float32, ld, i, j, rows, n int) {
	groups := m.cols / groupValues
	for r := range rows {
		row := dst[r*ld : r*ld+n]
		first := (i + r) * groups
		for at := 0; at < n; {
			g, skip := first+(j+at)/groupValues, (j+at)%groupValues
			codes, d := (*[groupBytes]byte)(m.blocks[g*groupBytes:]), HalfE8M0(m.scales[g])
			if skip == 0 && n-at >= groupValues {
				unpackGroup((*[groupValues]float32)(row[at:]), codes, d)
				at += groupValues
				continue
			}
			for ; skip < groupValues && at < n; skip, at = skip+1, at+1 {
				row[at] = d * e2m1Pairs[codes[skip/2]][skip%2]
			}
		}
	}
}

// unpackGroup unpacks the values of a group; d is half of its scale.
func unpackGroup(y *[groupValues]float32, codes *[groupBytes]byte, d float32) {
	for i, c := range codes {
		p := &e2m1Pairs[c]
		y[2*i], y[2*i+1] = d*p[0], d*p[1]
	}
}

// HalfE8M0 is half of the scale 2ᵉ⁻¹²⁷ that a byte stands for, for values that are doubled. 2⁻¹²⁸ and 2⁻¹²⁷ are subnormal.
func HalfE8M0(e byte) float32 {
	if e < 2 {
		return math.Float32frombits(0x200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

// e2m1Pairs are the two values of each byte, doubled, the low bits' first.
var e2m1Pairs = func() (pairs [256][2]float32) {
	magnitudes := [8]float32{0, 1, 2, 3, 4, 6, 8, 12}
	value := func(code int) float32 {
		v := magnitudes[code&7]
		if code&8 != 0 {
			v = float32(math.Copysign(float64(v), -1))
		}
		return v
	}
	for b := range pairs {
		pairs[b] = [2]float32{value(b & 15), value(b >> 4)}
	}
	return pairs
}()
