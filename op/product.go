package op

import "github.com/spagotune/spagotune/tensor"

// exactRows is the most rows of A for which NT is exact in any pass: reading B takes its time, whatever the arithmetic.
const exactRows = 8

// NT is tensor.NT in the pass's arithmetic: tensor.NTBF16 where the pass has BF16 and A more than a few rows.
func NT[S tensor.Source](p *Pass, c, a tensor.Matrix, b S, beta float32) {
	if p.BF16 && c.Rows > exactRows {
		tensor.NTBF16(c, a, b, beta)
		return
	}
	tensor.NT(c, a, b, beta)
}

// NN is tensor.NN in the pass's arithmetic.
func NN[S tensor.Source](p *Pass, c, a tensor.Matrix, b S, beta float32) {
	if p.BF16 {
		tensor.NNBF16(c, a, b, beta)
		return
	}
	tensor.NN(c, a, b, beta)
}

// TN is tensor.TN in the pass's arithmetic.
func TN(p *Pass, c, a, b tensor.Matrix, beta float32) {
	if p.BF16 {
		tensor.TNBF16(c, a, b, beta)
		return
	}
	tensor.TN(c, a, b, beta)
}
