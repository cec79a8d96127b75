package tensor

import "fmt"

// Matrix is a row-major matrix, or a view of one: Stride values from row to row.
type Matrix struct {
	Data               []float32
	Rows, Cols, Stride int
}

// New returns a matrix of zeros.
func New(rows, cols int) Matrix { return View(make([]float32, rows*cols), rows, cols) }

// View views data as a matrix.
func View(data []float32, rows, cols int) Matrix {
	if len(data) < rows*cols {
		panic(fmt.Sprintf("tensor: %d values for a %d×%d matrix", len(data), rows, cols))
	}
	return Matrix{Data: data, Rows: rows, Cols: cols, Stride: cols}
}

// Row is row i.
func (m Matrix) Row(i int) []float32 {
	o := i * m.Stride
	return m.Data[o : o+m.Cols : o+m.Cols]
}

// Slice views rows [i,i+rows) and columns [j,j+cols).
func (m Matrix) Slice(i, j, rows, cols int) Matrix {
	if i < 0 || j < 0 || rows < 0 || cols < 0 || i+rows > m.Rows || j+cols > m.Cols {
		panic(fmt.Sprintf("tensor: %d×%d at (%d,%d) of a %d×%d matrix", rows, cols, i, j, m.Rows, m.Cols))
	}
	v := Matrix{Rows: rows, Cols: cols, Stride: m.Stride}
	if rows > 0 && cols > 0 {
		o := i*m.Stride + j
		v.Data = m.Data[o : o+(rows-1)*m.Stride+cols]
	}
	return v
}

// Dims returns the numbers of rows and columns.
func (m Matrix) Dims() (rows, cols int) { return m.Rows, m.Cols }

// Block copies a block to dst.
func (m Matrix) Block(dst []float32, ld, i, j, rows, cols int) {
	for r := range rows {
		o := (i+r)*m.Stride + j
		copy(dst[r*ld:r*ld+cols], m.Data[o:o+cols])
	}
}

func (m Matrix) check(name string) {
	if m.Rows < 0 || m.Cols < 0 || m.Rows > 1 && m.Stride < m.Cols {
		panic(fmt.Sprintf("tensor: %s is %d×%d with stride %d", name, m.Rows, m.Cols, m.Stride))
	}
	if m.Rows > 0 && m.Cols > 0 && len(m.Data) < (m.Rows-1)*m.Stride+m.Cols {
		panic(fmt.Sprintf("tensor: %s is %d×%d with stride %d but has %d values", name, m.Rows, m.Cols, m.Stride, len(m.Data)))
	}
}

// Source is a matrix that can be read as float32, a block at a time: a frozen weight in any storage, with or without an
// adapter's update.
type Source interface {
	Dims() (rows, cols int)
	// Block writes rows [i,i+m) and columns [j,j+n) to dst as float32, row-major, ld values from row to row.
	// It is called from several goroutines at once.
	Block(dst []float32, ld, i, j, m, n int)
}

// Dotter is a Source that multiplies its rows with a vector as it stores them, which decoding does with every weight.
type Dotter interface {
	Source
	// Dot writes the products of x with columns [j,j+len(x)) of rows i, i+step, i+2·step … to out. The sums are added in the order of
	// NT's, so that they do not depend on how values are stored. It is false where there is no kernel for it; out is not used then.
	Dot(out, x []float32, i, step, j int) bool
}

var (
	_ Source = Matrix{}
	_ Source = BF16{}
	_ Source = F16{}
)
