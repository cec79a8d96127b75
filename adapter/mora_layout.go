package adapter

import (
	"sort"

	"github.com/spagotune/spagotune/internal/vec"
)

// A layout says on which of the q coordinates of which group each place of a vector lies, the vector being a layer's
// inputs or outputs. Each bracket below is a piece; the numbers in it are coordinates. Here n is 8 and q is 3.
//
//	place              0 1 2   3 4 5   6 7
//
//	tiled(8, 3, 1)    [0 1 2] [0 1 2] [0 1]    all in group 0
//	tiled(8, 3, 2)    [0 1 2] [0 1 2] [0 1]    in groups 0, 1 and 0 again
//	grouped(8, 3)     [0 1 2] [0 1 2] [0 1]    in groups 0, 1 and 2. Coordinate 2 of group 2 would be
//	                  [2]                      empty, so place 0 lies there too.
//	wrapped(8, 3)     [0 1 2] [0 1 2] [0 1]    as grouped, but all in group 0
//	                  [2]
//	runs(8, 3)        [0 0 0] [1 1 1] [2 2]    spread pieces, with one coordinate each
//
// Pieces are in the order of their first places and, at the same time, in the order of their last places.
type layout []piece

// piece is n neighbouring places from place at on. They lie on n neighbouring coordinates of a group from coord on or,
// where the piece is spread, all on coord.
type piece struct {
	group, coord, at, n int
	spread              bool
}

// tiled lays n places on the coordinates of one group after another, and begins with the first group again after the last.
func tiled(n, q, groups int) layout {
	var l layout
	for at := 0; at < n; at += q {
		l = append(l, piece{group: at / q % groups, at: at, n: min(q, n-at)})
	}
	return l
}

// grouped lays n places on as many groups as they need. The first places lie, a second time, on what is left of the last
// group.
func grouped(n, q int) layout {
	groups := (n + q - 1) / q
	l := tiled(n, q, groups)
	if pad := groups*q - n; pad > 0 {
		l = append(layout{{group: groups - 1, coord: q - pad, n: pad}}, l...)
	}
	return l
}

// wrapped is grouped with all groups made one.
func wrapped(n, q int) layout {
	l := grouped(n, q)
	for i := range l {
		l[i].group = 0
	}
	return l
}

// runs cuts n places into q runs of neighbours, one for each coordinate. The first n mod q runs are longer by one.
func runs(n, q int) layout {
	var l layout
	at := 0
	for c := range q {
		long := n / q
		if c < n%q {
			long++
		}
		if long > 0 {
			l = append(l, piece{coord: c, at: at, n: long, spread: true})
		}
		at += long
	}
	return l
}

// gather adds each place of x to its coordinate in z [groups·q].
func (l layout) gather(z, x []float32, q int) {
	for _, p := range l {
		v := x[p.at : p.at+p.n]
		c := p.group*q + p.coord
		if !p.spread {
			vec.Add(z[c:c+p.n], z[c:c+p.n], v)
			continue
		}
		var sum float32
		for _, a := range v {
			sum += a
		}
		z[c] += sum
	}
}

// scatter adds to each place of x its coordinate in z. It is the transpose of gather.
func (l layout) scatter(x, z []float32, q int) {
	for _, p := range l {
		v := x[p.at : p.at+p.n]
		c := p.group*q + p.coord
		if !p.spread {
			vec.Add(v, v, z[c:c+p.n])
			continue
		}
		a := z[c]
		for i := range v {
			v[i] += a
		}
	}
}

// first is the index of the first piece that ends after place from.
func (l layout) first(from int) int {
	return sort.Search(len(l), func(i int) bool { return l[i].at+l[i].n > from })
}

// clip is the part of the piece in places [from, to).
func (p piece) clip(from, to int) piece {
	cut := max(from-p.at, 0)
	end := min(to, p.at+p.n)
	p.coord = p.coordOf(cut)
	p.at += cut
	p.n = end - p.at
	return p
}

// coordOf is the coordinate of place i of the piece.
func (p piece) coordOf(i int) int {
	if p.spread {
		return p.coord
	}
	return p.coord + i
}
