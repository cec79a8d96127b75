package tensor

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

// serialFLOP is the size below which a product stays in its caller: waking a worker would cost more.
const serialFLOP = 2e6

// MaxPacked is the largest number of values of a factor that a product packs at a time.
const MaxPacked = 8 << 20

// product is one call: the matrices, how they are cut, and the packed rows of A.
type product struct {
	level cpu.Level
	form  form
	g     *geometry
	c     Matrix
	a, b  operand
	beta  float32

	// kc is the elements of k in a block, a multiple of kAlign; an element holds values of k (form.values).
	kc, values, kBlocks int

	// The current rows, packed: for every block of k, every panel of mr rows.
	row, rows  int
	mr, panels int
	buf, ap    []float32

	// The jobs: groups of panels of A × groups of columns.
	jobPanels, jobCols, colJobs int

	packJob, tileJob func(int) // method values, made once
}

// products are kept for use again, apart from those whose A has largeA values or more: of these, which keep much memory, few run at
// once.
var products, largeProducts pool[product]

const largeA = 1 << 18

func (p *product) run(l cpu.Level, f form, c Matrix, a, b operand, beta float32) {
	p.level, p.form, p.g, p.c, p.a, p.b, p.beta = l, f, f.geometry(l), c, a, b, beta
	if p.packJob == nil {
		p.packJob, p.tileJob = p.packRows, p.tiles
	}
	if f == tiled && beta != 0 && beta != 1 { // tiles are added as they are
		scale(c, beta)
		p.beta = 1
	}
	p.values = f.values()
	p.kc, p.kBlocks = cutK(f, p.g, a.k)
	serial := 2*float64(c.Rows)*float64(c.Cols)*float64(a.k) < serialFLOP

	chunks := ceil(c.Rows, max(16*p.g.mr, MaxPacked/a.k))
	chunk := ceil(c.Rows, chunks)
	for p.row = 0; p.row < c.Rows; p.row += chunk {
		p.rows = min(chunk, c.Rows-p.row)
		p.cutRows()
		threads := 1
		if !serial {
			threads = Threads()
		}
		p.each(threads, ceil(p.panels, packGroup), p.packJob)
		p.each(threads, p.cutJobs(threads), p.tileJob)
	}
	p.c, p.a, p.b = Matrix{}, operand{}, operand{} // keep nothing alive
}

// cutK cuts k into blocks of kc elements.
func cutK(f form, g *geometry, k int) (kc, blocks int) {
	k = ceil(k, f.values())
	blocks = ceil(k, g.kc)
	if k <= g.kc+g.kc/4 { // a second block would be short, and read and write all of C again
		blocks = 1
	}
	align := kAlign
	if blocks > 1 {
		align = cutAlign / f.values()
	}
	kc = ceil(ceil(k, blocks), align) * align
	return kc, ceil(k, kc)
}

func (p *product) each(threads, n int, f func(int)) {
	if threads > 1 {
		Parallel(n, f)
		return
	}
	for i := range n {
		f(i)
	}
}

// cutRows cuts the rows into panels of nearly equal height, an even number.
func (p *product) cutRows() {
	p.panels = ceil(p.rows, p.g.mr)
	p.mr = min(p.g.mr, (ceil(p.rows, p.panels)+1)&^1)
	p.panels = ceil(p.rows, p.mr)
	p.ap = grow(&p.buf, p.kBlocks*p.panels*p.kc*p.g.lanes+1) // a tile of odd height reads one value more
}

// cutJobs cuts the current rows into jobs, just enough of them to keep the threads equally busy, and returns their number.
func (p *product) cutJobs(threads int) int {
	n, g := p.c.Cols, p.g
	p.jobPanels = p.panels
	p.jobCols = min(g.nb, ceil(n, g.nr)*g.nr)
	if want := 6 * threads; threads > 1 {
		for p.jobCols > 2*g.nr && ceil(n, p.jobCols) < want {
			p.jobCols -= g.nr
		}
		for p.jobPanels*p.mr > 256 && ceil(n, p.jobCols)*ceil(p.panels, p.jobPanels) < want {
			p.jobPanels = ceil(p.jobPanels, 2)
		}
	}
	p.colJobs = ceil(n, p.jobCols)
	return p.colJobs * ceil(p.panels, p.jobPanels)
}

// packGroup is the number of panels of A that a job packs.
const packGroup = 8

func (p *product) packRows(job int) {
	first, last := job*packGroup, min(p.panels, (job+1)*packGroup)
	if p.form == tiled {
		p.packTiles(first, last)
		return
	}
	size := p.kc * p.g.lanes
	for kb := range p.kBlocks {
		k0, kc := p.block(kb)
		step := p.a.packStep(kc)
		for k := 0; k < kc; k += step {
			for i := first; i < last; i++ {
				lane, _ := p.lane(i)
				dst := p.ap[(kb*p.panels+i)*size+k/p.values*p.g.lanes:]
				p.a.pack(p.level, p.form, p.g, dst, p.g.lanes, lane, k0+k, min(step, kc-k))
			}
		}
		if p.form == rounded {
			for i := first; i < last; i++ {
				roundBF16(p.level, p.ap[(kb*p.panels+i)*size:][:kc*p.g.lanes])
			}
		}
	}
}

// block is the first k of block kb, and how many there are.
func (p *product) block(kb int) (k0, kc int) {
	k0 = kb * p.kc * p.values
	return k0, min(p.kc*p.values, p.a.k-k0)
}

// packTiles packs panels of A for AMX.
func (p *product) packTiles(first, last int) {
	size := p.kc * p.g.lanes
	var buf [pairLanes * pairLanes]float32
	for kb := range p.kBlocks {
		k0, kc := p.block(kb)
		for i := first; i < last; i++ {
			dst := unsafe.Slice((*uint16)(unsafe.Pointer(&p.ap[(kb*p.panels+i)*size])), 2*size)
			row := i * p.mr
			p.a.packTiled(buf[:], dst, 2*p.kc, p.row+row, min(p.mr, p.rows-row), k0, kc)
		}
	}
}

// lane is the row at which the vector with panel i of A starts, and the number of rows before the panel in it: the last vector
// of the matrix starts earlier, so that it is a whole one.
func (p *product) lane(i int) (lane, skip int) {
	row := p.row + i*p.mr
	lane = max(0, min(row, p.a.lanes-p.g.lanes))
	return lane, row - lane
}

// tiles does one job: packs its columns of B, a block of k at a time, and multiplies its rows of A with them.
func (p *product) tiles(job int) {
	first := job / p.colJobs * p.jobPanels
	last := min(p.panels, first+p.jobPanels)
	col := job % p.colJobs * p.jobCols
	cols := min(p.jobCols, p.c.Cols-col)
	s := scratches.get()
	size := p.kc * p.g.nr
	beta := p.beta
	for kb := range p.kBlocks {
		k0, kc := p.block(kb)
		bp := p.b.packed.panels(p.level, p.form, p.kc, kb, col, p.g.nr)
		if bp == nil {
			bp = grow(&s.b, ceil(cols, p.g.nr)*size)
			p.b.packPanels(p.level, p.form, p.g, s, bp, size, col, cols, k0, kc)
		}
		for i := first; i < last; i++ {
			if p.form == tiled {
				p.tileTiles(kb, i, kc, col, cols, bp, beta != 0)
			} else {
				p.tileRow(kb, i, ceil(kc, p.values), col, cols, bp, beta)
			}
		}
		beta = 1
	}
	scratches.put(s)
}

// tileRow multiplies panel i of A with panels of B. Its first tiles prefetch the panels of A that follow.
func (p *product) tileRow(kb, i, kc, col, cols int, bp []float32, beta float32) {
	g := p.g
	_, skip := p.lane(i)
	size := p.kc * g.lanes
	panel := (kb*p.panels + i) * size
	a := &p.ap[panel+skip]
	row := p.row + i*p.mr
	rows := min(p.mr, p.row+p.rows-row)
	c := p.c.Data[row*p.c.Stride+col:]
	for j := 0; j < cols; j += g.nr {
		next := uintptr(unsafe.Pointer(a))
		if j < 2*g.nr {
			next += uintptr(4*size + 32*kc*(j/g.nr))
		}
		if p.form == paired {
			tilePairs(kc, a, &bp[j*p.kc], &c[j], p.c.Stride, rows, min(g.nr, cols-j), beta, next)
		} else {
			tile(p.level, kc, a, &bp[j*p.kc], &c[j], p.c.Stride, rows, min(g.nr, cols-j), beta, next)
		}
	}
}

// tileTiles is tileRow for AMX.
func (p *product) tileTiles(kb, i, kc, col, cols int, bp []float32, add bool) {
	g := p.g
	a := (*uint16)(unsafe.Pointer(&p.ap[(kb*p.panels+i)*p.kc*g.lanes]))
	row := p.row + i*p.mr
	rows := min(p.mr, p.row+p.rows-row)
	c := p.c.Data[row*p.c.Stride+col:]
	var config tileConfig
	width := 0
	for j := 0; j < cols; j += g.nr {
		if n := min(g.nr, cols-j); n != width {
			width = n
			configTiles(&config, rows, width)
		}
		tileTiles(&config, ceil(kc, pairBlock)*pairBlock/2, a, 2*p.kc, &bp[j*p.kc], &c[j], p.c.Stride, rows, width, add)
	}
}

func ceil(a, b int) int { return (a + b - 1) / b }
