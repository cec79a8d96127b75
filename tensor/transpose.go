package tensor

// Transpose is a matrix whose rows are another one's columns. Of one that Transpose has made, it is the first again.
func Transpose(of Source) Source {
	if t, ok := of.(transposed); ok {
		return t.of
	}
	return transposed{of}
}

type transposed struct{ of Source }

var _ Source = transposed{}

// Dims implements Source.
func (t transposed) Dims() (rows, cols int) {
	cols, rows = t.of.Dims()
	return rows, cols
}

// Block implements Source.
func (t transposed) Block(dst []float32, ld, i, j, m, n int) {
	b := make([]float32, n*m)
	t.of.Block(b, m, j, i, n, m)
	for c := range n {
		for r, v := range b[c*m : (c+1)*m] {
			dst[r*ld+c] = v
		}
	}
}
