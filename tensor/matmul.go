package tensor

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/cpu"
)

// NT computes C[m,n] = A[m,k]·B[n,k]ᵀ + beta·C; beta 0 ignores what is in C.
func NT[S Source](c, a Matrix, b S, beta float32) {
	multiply("NT", false, c, ofMat(a, false), of(b, false), a, beta)
}

// NN computes C[m,n] = A[m,k]·B[k,n] + beta·C; beta 0 ignores what is in C.
func NN[S Source](c, a Matrix, b S, beta float32) {
	multiply("NN", false, c, ofMat(a, false), of(b, true), a, beta)
}

// TN computes C[m,n] = A[k,m]ᵀ·B[k,n] + beta·C; beta 0 ignores what is in C.
func TN(c, a, b Matrix, beta float32) {
	b.check("B")
	multiply("TN", false, c, ofMat(a, true), ofMat(b, true), a, beta)
}

// of turns a Source into an operand. S is a type parameter, and not simply Source, to spare callers an allocation: a Matrix
// need not become an interface.
func of[S Source](b S, kMajor bool) operand {
	switch b := any(b).(type) {
	case Matrix:
		b.check("B")
		return ofMat(b, kMajor)
	case BF16:
		return ofHalf(bf16, b.Data, b.Rows, b.Cols, kMajor)
	case F16:
		return ofHalf(f16, b.Data, b.Rows, b.Cols, kMajor)
	}
	return ofSource(b, kMajor)
}

func multiply(name string, bfloat16 bool, c Matrix, a, b operand, am Matrix, beta float32) {
	am.check("A")
	c.check("C")
	if a.lanes != c.Rows || b.lanes != c.Cols || a.k != b.k {
		panic(fmt.Sprintf("tensor: %s of %s and %s into C[%d,%d]", name, a.String(), b.String(), c.Rows, c.Cols))
	}
	switch {
	case c.Rows == 0 || c.Cols == 0:
	case a.k == 0:
		scale(c, beta)
	case c.Rows <= dotRows && !bfloat16 && !a.kMajor && !b.kMajor:
		p := dots.get()
		p.run(c, am, b, beta)
		dots.put(p)
	default:
		kept := &products
		if c.Rows*a.k >= largeA {
			kept = &largeProducts
		}
		p := kept.get()
		p.run(cpu.Used, formOf(cpu.Used, bfloat16), c, a, b, beta)
		kept.put(p)
	}
}

// String is the operand's shape, as stored.
func (o *operand) String() string {
	if o.kMajor {
		return fmt.Sprintf("[%d,%d]", o.k, o.lanes)
	}
	return fmt.Sprintf("[%d,%d]", o.lanes, o.k)
}

func scale(c Matrix, beta float32) {
	for i := range c.Rows {
		row := c.Row(i)
		for j := range row {
			if beta == 0 {
				row[j] = 0
			} else {
				row[j] *= beta
			}
		}
	}
}
