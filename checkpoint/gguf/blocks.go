package gguf

import "github.com/spagotune/spagotune/tensor"

// Blocks is a matrix in any type that is read as floats, as it is stored. A row is a whole number of blocks.
type Blocks struct {
	typ        Type
	data       []byte
	rows, cols int
}

var _ tensor.Dotter = Blocks{}

// blocks views the tensor as a matrix.
func (t Tensor) blocks() (Blocks, error) {
	if err := t.Type.readable(); err != nil {
		return Blocks{}, err
	}
	if err := t.check(); err != nil {
		return Blocks{}, err
	}
	cols := lastOf(t.Shape)
	return Blocks{typ: t.Type, data: t.Data, rows: t.Size() / cols, cols: cols}, nil
}

// Type is the type of the blocks.
func (b Blocks) Type() Type { return b.typ }

// Dims returns the numbers of rows and columns.
func (b Blocks) Dims() (rows, cols int) { return b.rows, b.cols }

// Row returns the blocks of row i. Never write to them.
func (b Blocks) Row(i int) []byte {
	size := b.typ.layout().rowBytes(b.cols)
	return b.data[i*size : (i+1)*size : (i+1)*size]
}

// Block unpacks rows [i,i+m) and columns [j,j+n) into dst, ld values from row to row.
func (b Blocks) Block(dst []float32, ld, i, j, m, n int) {
	l := b.typ.layout()
	first := j / l.values
	switch whole := j%l.values == 0 && n%l.values == 0; {
	case whole && n == b.cols && ld == n: // rows lie end to end, in dst as here
		unpack(b.typ, dst[:m*n], b.data[i*(n/l.values)*l.bytes:])
		return
	case whole:
		for r := range m {
			unpack(b.typ, dst[r*ld:r*ld+n], b.Row(i + r)[first*l.bytes:])
		}
		return
	}
	for r := range m {
		unpackPart(b.typ, l, dst[r*ld:r*ld+n], b.Row(i + r)[first*l.bytes:], j-first*l.values)
	}
}

// Dot multiplies rows i, i+step, i+2·step … with x without storing their values. It does where the processor has a kernel for the type
// and j and len(x) are whole blocks.
func (b Blocks) Dot(out, x []float32, i, step, j int) bool {
	l := b.typ.layout()
	group := dotRows(b.typ)
	if group == 0 || len(x) == 0 || j%l.values != 0 || len(x)%l.values != 0 {
		return false
	}
	var sums [maxDotRows]float32
	for r := 0; r < len(out); {
		n, ld := group, step*l.rowBytes(b.cols)
		if r+n > len(out) { // the last ones one by one, as the same row several times
			n, ld = 1, 0
		}
		row := b.Row(i + r*step)[j/l.values*l.bytes:]
		dotVectors(b.typ, len(x)/l.values, &row[0], ld, &x[0], &sums[0])
		r += copy(out[r:], sums[:n])
	}
	return true
}

// maxDotRows is the most rows that a kernel multiplies at once.
const maxDotRows = 4

// maxBlock is the most values of a block.
const maxBlock = 256

// unpackPart unpacks the values from skip on. A block that is not wanted whole goes by way of a buffer.
func unpackPart(t Type, l layout, dst []float32, src []byte, skip int) {
	var buf [maxBlock]float32
	if skip > 0 {
		unpack(t, buf[:l.values], src)
		n := copy(dst, buf[skip:l.values])
		dst, src = dst[n:], src[l.bytes:]
	}
	whole := len(dst) / l.values
	unpack(t, dst[:whole*l.values], src)
	if rest := dst[whole*l.values:]; len(rest) > 0 {
		unpack(t, buf[:l.values], src[whole*l.bytes:])
		copy(rest, buf[:])
	}
}
