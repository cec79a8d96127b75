package adapter

import (
	"sort"

	"github.com/spagotune/spagotune/internal/vec"
)

// piece puts n places of a vector, from at on, on coordinates of a group: side by side from coord on or, where spread,
// all of them on coord.
type piece struct {
	group, coord, at, n int
	spread              bool
}

// layout is pieces in the order of their beginnings and of their ends.
type layout []piece

// tiled lays n places over the coordinates again and again: group after group, and from the first group on once more.
func tiled(n, q, groups int) layout {
	var l layout
	for at := 0; at < n; at += q {
		l = append(l, piece{group: at / q % groups, at: at, n: min(q, n-at)})
	}
	return l
}

// grouped lays n places over as many groups as they need; the rest of the last is filled with the first places again.
func grouped(n, q int) layout {
	groups := (n + q - 1) / q
	l := tiled(n, q, groups)
	if pad := groups*q - n; pad > 0 {
		l = append(layout{{group: groups - 1, coord: q - pad, n: pad}}, l...)
	}
	return l
}

// wrapped is grouped with all groups as one.
func wrapped(n, q int) layout {
	l := grouped(n, q)
	for i := range l {
		l[i].group = 0
	}
	return l
}

// runs puts runs of neighbours on one coordinate each: the first n mod q runs are one longer.
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

// gather adds every place of x to its coordinate in z [groups·q].
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

// scatter adds to every place of x its coordinate in z; it is gather's transpose.
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

// first is the first piece that ends behind from.
func (l layout) first(from int) int {
	return sort.Search(len(l), func(i int) bool { return l[i].at+l[i].n > from })
}

// clip is the part of the piece in places [from,to).
func (p piece) clip(from, to int) piece {
	cut := max(from-p.at, 0)
	end := min(to, p.at+p.n)
	p.coord = p.coordOf(cut)
	p.at += cut
	p.n = end - p.at
	return p
}

// coordOf is the coordinate of the piece's place i.
func (p piece) coordOf(i int) int {
	if p.spread {
		return p.coord
	}
	return p.coord + i
}
