package llamacpp

import "github.com/spagotune/spagotune/tensor"

// Hugging Face rotates value j of a head with value j+d/2, llama.cpp's Llama value 2j with value 2j+1. So row j of the one is
// row 2j of the other, and row j+d/2 is row 2j+1, for each head of d rows.

// pairRow is llama.cpp's row of Hugging Face's row i.
func pairRow(i, headDim int) int {
	head, j := i/headDim*headDim, i%headDim
	if half := headDim / 2; j >= half {
		return head + 2*(j-half) + 1
	}
	return head + 2*j
}

// halfRow is Hugging Face's row of llama.cpp's row i.
func halfRow(i, headDim int) int {
	head, j := i/headDim*headDim, i%headDim
	return head + j/2 + j%2*headDim/2
}

func identity(row int) int { return row }

// partOf finds the rows of part i of n, of so many rows each; in turns, every n-th row is one of them.
func partOf(i, n, rows int, turns bool) func(row int) int {
	if turns {
		return func(row int) int { return row*n + i }
	}
	return func(row int) int { return i*rows + row }
}

// reordered is a matrix of so many rows, of which row i is row at(i) of another.
type reordered struct {
	tensor.Source
	rows int
	at   func(i int) int
}

// Dims implements tensor.Source.
func (r reordered) Dims() (rows, cols int) {
	_, cols = r.Source.Dims()
	return r.rows, cols
}

// Block implements tensor.Source.
func (r reordered) Block(dst []float32, ld, i, j, m, n int) {
	for k := range m {
		r.Source.Block(dst[k*ld:], ld, r.at(i+k), j, 1, n)
	}
}

var _ tensor.Dotter = reordered{}

// Dot implements tensor.Dotter. Rows that follow one another here are as far from one another there, over half a head.
func (r reordered) Dot(out, x []float32, i, step, j int) bool {
	d, ok := r.Source.(tensor.Dotter)
	for k := 0; ok && k < len(out); {
		first, apart, n := r.at(i+k*step), 1, 1
		if k+1 < len(out) {
			apart = r.at(i+(k+1)*step) - first
		}
		for k+n < len(out) && r.at(i+(k+n)*step) == first+n*apart {
			n++
		}
		ok = d.Dot(out[k:k+n], x, first, apart, j)
		k += n
	}
	return ok
}

// values are those of a matrix with one row.
func values(src tensor.Source) []float32 {
	_, n := src.Dims()
	v := make([]float32, n)
	src.Block(v, n, 0, 0, 1, n)
	return v
}

// permuted is a vector of n values, of which value i is value at(i) of another.
func permuted(src tensor.Source, n int, at func(i int) int) tensor.Source {
	old, v := values(src), make([]float32, n)
	for i := range v {
		v[i] = old[min(len(old)-1, at(i))]
	}
	return tensor.View(v, 1, n)
}

// shifted is a vector with d added to each value.
func shifted(src tensor.Source, d float32) tensor.Source {
	v := values(src)
	for i := range v {
		v[i] += d
	}
	return tensor.View(v, 1, len(v))
}

// stacked are matrices of one shape, one below the other.
type stacked []tensor.Source

// Dims implements tensor.Source.
func (s stacked) Dims() (rows, cols int) {
	rows, cols = s[0].Dims()
	return len(s) * rows, cols
}

// Block implements tensor.Source.
func (s stacked) Block(dst []float32, ld, i, j, m, n int) {
	rows, _ := s[0].Dims()
	for done := 0; done < m; {
		part, row := (i+done)/rows, (i+done)%rows
		run := min(m-done, rows-row)
		s[part].Block(dst[done*ld:], ld, row, j, run, n)
		done += run
	}
}

// inTurns are matrices of one shape, whose rows take turns.
type inTurns []tensor.Source

// Dims implements tensor.Source.
func (s inTurns) Dims() (rows, cols int) { return stacked(s).Dims() }

// Block implements tensor.Source.
func (s inTurns) Block(dst []float32, ld, i, j, m, n int) {
	for k := range m {
		row := i + k
		s[row%len(s)].Block(dst[k*ld:], ld, row/len(s), j, 1, n)
	}
}
