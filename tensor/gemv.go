package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

const (
	dotRows   = 8       // most rows of A for which NT uses dot products
	dotChunk  = 1 << 13 // most k in a call of the kernel
	dotSerial = 1 << 16 // with fewer values of B the caller does everything
	dotJob    = 1 << 19 // most values of B in a job
	dotBlock  = 1 << 12 // values of a Source that are read at a time
)

// dotProduct is a product of few rows with the rows of B, each of which is read once.
type dotProduct struct {
	level   cpu.Level
	c, a    Matrix
	b       operand
	beta    float32
	jobRows int
	job     func(int)
}

var dots pool[dotProduct]

func (p *dotProduct) run(c, a Matrix, b operand, beta float32) {
	p.level, p.c, p.a, p.b, p.beta = cpu.Used, c, a, b, beta
	if p.job == nil {
		p.job = p.rows
	}
	p.jobRows = max(4, min(dotJob, b.lanes*b.k/(8*Threads()))/b.k&^3)
	jobs := ceil(b.lanes, p.jobRows)
	if b.lanes*b.k < dotSerial {
		for i := range jobs {
			p.rows(i)
		}
	} else {
		Parallel(jobs, p.job)
	}
	p.c, p.a, p.b = Matrix{}, Matrix{}, operand{}
}

// rows is a job: some rows of B.
func (p *dotProduct) rows(job int) {
	first, end := job*p.jobRows, min(p.b.lanes, (job+1)*p.jobRows)
	if p.b.kind != other {
		p.groups(&p.b, first, first, end)
		return
	}
	s := scratches.get()
	defer scratches.put(s)
	if p.stored(s, first, end) {
		return
	}
	n := max(4, dotBlock/p.b.k&^3)
	for j := first; j < end; j += n {
		rows := min(n, end-j)
		buf := grow(&s.block, rows*p.b.k)
		p.b.src.Block(buf, p.b.k, j, 0, rows, p.b.k)
		p.groups(&operand{kind: f32, f: buf, ld: p.b.k, lanes: rows, k: p.b.k}, 0, j, j+rows)
	}
}

// stored computes columns [first,end) of C from rows that their Source multiplies. It is false where there is more than one row
// of A, since each would unpack them again, or where the Source does not do it.
func (p *dotProduct) stored(s *scratch, first, end int) bool {
	d, ok := p.b.src.(Dotter)
	if !ok || p.c.Rows != 1 {
		return false
	}
	n := end - first
	sums := grow(&s.block, 2*n)
	sum, part := sums[:n], sums[n:]
	clear(sum)
	for k0 := 0; k0 < p.b.k; k0 += dotChunk {
		if !d.Dot(part, p.a.Data[k0:min(p.b.k, k0+dotChunk)], first, 1, k0) {
			return false
		}
		for i, v := range part {
			sum[i] += v
		}
	}
	c := p.c.Data[first:end]
	for i, v := range sum {
		if p.beta == 0 {
			c[i] = v
		} else {
			c[i] = v + p.beta*c[i]
		}
	}
	return true
}

// groups computes columns [j,end) of C from the rows of b, of which lane is the first: four at a time, the last few one by
// one, as four times the same row.
func (p *dotProduct) groups(b *operand, lane, j, end int) {
	for j < end {
		n, ld := 4, b.ld
		if j+4 > end {
			n, ld = 1, 0
		}
		var sum [dotRows * 4]float32
		for k0 := 0; k0 < b.k; k0 += dotChunk {
			for i := 0; i < p.c.Rows; i += 2 {
				p.dots(sum[4*i:], i, k0, b.kind, b.at(lane, k0), ld, min(dotChunk, b.k-k0))
			}
		}
		for i := range p.c.Rows {
			row := p.c.Row(i)[j : j+n]
			for q := range row {
				if p.beta == 0 {
					row[q] = sum[4*i+q]
				} else {
					row[q] = sum[4*i+q] + p.beta*row[q]
				}
			}
		}
		j, lane = j+n, lane+n
	}
}

// dots adds the products of rows i and i+1 of A with four rows at w to sum, k in [k0,k0+kc).
func (p *dotProduct) dots(sum []float32, i, k0 int, k kind, w unsafe.Pointer, ld, kc int) {
	var out [8]float32
	m := min(2, p.c.Rows-i)
	whole := kc - kc%geometries[p.level].lanes
	x := p.a.Data[i*p.a.Stride+k0:]
	if whole > 0 {
		dot(p.level, k, m, whole, &x[0], p.a.Stride, w, ld, &out[0])
	}
	for r := range m {
		t := out[4*r : 4*r+4]
		if whole < kc {
			rest := x[r*p.a.Stride+whole : r*p.a.Stride+kc]
			if k == f32 {
				dotRest(t, rest, (*float32)(unsafe.Add(w, 4*whole)), ld)
			} else {
				dotRestOf(t, rest, k, unsafe.Add(w, 2*whole), ld)
			}
		}
		for q, v := range t {
			sum[4*r+q] += v
		}
	}
}

// dotRest adds the products of x with four rows at w, which are shorter than a vector, to t. A LoRA's r is that short.
func dotRest(t, x []float32, w *float32, ld int) {
	v := unsafe.Slice(w, 3*ld+len(x))
	v1, v2, v3 := v[ld:ld+len(x)], v[2*ld:2*ld+len(x)], v[3*ld:3*ld+len(x)]
	v0 := v[:len(x)]
	t0, t1, t2, t3 := t[0], t[1], t[2], t[3]
	for d, a := range x {
		t0, t1, t2, t3 = t0+a*v0[d], t1+a*v1[d], t2+a*v2[d], t3+a*v3[d]
	}
	t[0], t[1], t[2], t[3] = t0, t1, t2, t3
}

// dotRestOf is dotRest for rows of another kind.
func dotRestOf(t, x []float32, k kind, w unsafe.Pointer, ld int) {
	for q := range t {
		for d, a := range x {
			t[q] += a * k.at(w, q*ld+d)
		}
	}
}
