package adapter

import (
	"math"
	"sync"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// operators are MoRA's compress and decompress for one shape of layer:
//
//	            compress                                        decompress
//	x [in] ──── layout in ──── rotation ────► z [groups, q] ──── M ──── layout out ────► ΔW·x [out]
//
// The layouts say where each input and each output lies among groups × q coordinates. All else follows from them: the
// transposes of both operators, and ΔW, whose rows are rows of M taken through the layouts.
type operators struct {
	q, groups int
	in        []layout // by group
	out       layout
	spreadIn  []uint32  // the coordinate of each input where the pieces of in are spread; else nil
	rotation  *rotation // nil where groups are not rotated
}

// newOperators makes the operators of a type. q is r̂, which is at most in.
func newOperators(t MoRAType, in, out, q int) *operators {
	o := &operators{q: q, groups: 1}
	switch t {
	case Sharing:
		o.in, o.out = []layout{wrapped(in, q)}, tiled(out, q, 1)
	case Neighbours:
		o.in, o.out = []layout{runs(in, q)}, runs(out, q)
	case NeighboursTiled:
		o.in, o.out = []layout{runs(in, q)}, tiled(out, q, 1)
	case StridedNeighbours:
		o.in, o.out = []layout{wrapped(in, q)}, runs(out, q)
	case Truncation:
		first := layout{{n: q}}
		o.in, o.out = []layout{first}, first
	case Rotation, Decouple:
		total := (in + q - 1) / q
		o.groups = min(total, (out+q-1)/q) // groups beyond these make no output
		o.out = tiled(out, q, total)
		o.in = make([]layout, o.groups)
		for _, p := range grouped(in, q) {
			if p.group < o.groups {
				o.in[p.group] = append(o.in[p.group], p)
			}
		}
		if t == Rotation && o.groups > 1 {
			o.rotation = rotationOf(q, o.groups)
		}
	}
	if o.in[0][0].spread {
		for _, p := range o.in[0] {
			for range p.n {
				o.spreadIn = append(o.spreadIn, uint32(p.coord))
			}
		}
	}
	return o
}

// compress computes the coordinates of each token of x [tokens, in], one group a row: [tokens·groups, q].
func (o *operators) compress(x tensor.Matrix) *scratch {
	z := take(x.Rows*o.groups, o.q)
	width := o.groups * o.q
	byRows(x.Rows, 2*x.Cols, func(from, to int) {
		for t := from; t < to; t++ {
			zt := z.Data[t*width : (t+1)*width]
			clear(zt)
			for _, l := range o.in {
				l.gather(zt, x.Row(t), o.q)
			}
			if o.rotation != nil {
				o.rotation.turn(zt, vec.Rotate)
			}
		}
	})
	return z
}

// compressT adds the transpose of compress, applied to z, to dx [tokens, in]. It overwrites z.
func (o *operators) compressT(dx, z tensor.Matrix) {
	width := o.groups * o.q
	byRows(dx.Rows, 2*dx.Cols, func(from, to int) {
		for t := from; t < to; t++ {
			zt := z.Data[t*width : (t+1)*width]
			if o.rotation != nil {
				o.rotation.turn(zt, vec.Unrotate)
			}
			for _, l := range o.in {
				l.scatter(dx.Row(t), zt, o.q)
			}
		}
	})
}

// decompress adds the outputs of the coordinates z [tokens·groups, q] to y [tokens, out].
func (o *operators) decompress(y, z tensor.Matrix) {
	width := o.groups * o.q
	byRows(y.Rows, y.Cols, func(from, to int) {
		for t := from; t < to; t++ {
			o.out.scatter(y.Row(t), z.Data[t*width:(t+1)*width], o.q)
		}
	})
}

// decompressT is the transpose of decompress, applied to gy [tokens, out]: [tokens·groups, q].
func (o *operators) decompressT(gy tensor.Matrix) *scratch {
	z := take(gy.Rows*o.groups, o.q)
	width := o.groups * o.q
	byRows(gy.Rows, gy.Cols, func(from, to int) {
		for t := from; t < to; t++ {
			zt := z.Data[t*width : (t+1)*width]
			clear(zt)
			o.out.gather(zt, gy.Row(t), o.q)
		}
	})
	return z
}

// fold adds to w the block of ΔW from row i and column j on. Row i of ΔW is the row of M on whose coordinate output i
// lies, rotated back for the group of i, with its coordinates taken to the inputs of that group (the closed forms of the
// paper's equations). So ΔW consists of pieces of M, one for each pair of a piece of outputs and a piece of inputs.
func (o *operators) fold(w, m tensor.Matrix, i, j int) {
	var buf [32]piece
	var line [512]float32
	cols, group := buf[:0], -1
	for _, p := range o.out[o.out.first(i):] {
		if p.at >= i+w.Rows {
			break
		}
		p = p.clip(i, i+w.Rows)
		if p.group != group && o.spreadIn == nil {
			group = p.group
			cols = cols[:0]
			for _, c := range o.in[group][o.in[group].first(j):] {
				if c.at < j+w.Cols {
					cols = append(cols, c.clip(j, j+w.Cols))
				}
			}
		}
		rows := w.Slice(p.at-i, 0, p.n, w.Cols)
		if !p.spread {
			o.foldRows(rows, m.Slice(p.coord, 0, p.n, o.q), cols, j)
			continue
		}
		one := tensor.Matrix{Data: line[:min(w.Cols, len(line))], Rows: 1, Cols: w.Cols, Stride: w.Cols}
		if p.n == 1 || w.Cols > len(line) {
			for r := range p.n {
				one.Data = rows.Row(r)
				o.foldRows(one, m.Slice(p.coord, 0, 1, o.q), cols, j)
			}
			continue
		}
		clear(one.Data)
		o.foldRows(one, m.Slice(p.coord, 0, 1, o.q), cols, j)
		for r := range p.n {
			d := rows.Row(r)
			vec.Add(d, d, one.Data)
		}
	}
}

// foldRows adds rows of M, taken through the pieces of one group, to as many rows of w, which begin at column j.
func (o *operators) foldRows(w, m tensor.Matrix, cols []piece, j int) {
	if o.spreadIn != nil {
		at := o.spreadIn[j : j+w.Cols]
		for r := range w.Rows {
			d, row := w.Row(r), m.Row(r)
			for i, c := range at[:len(d)] {
				d[i] += row[c]
			}
		}
		return
	}
	for _, c := range cols {
		for r := range w.Rows {
			from := r*w.Stride + c.at - j
			d := w.Data[from : from+c.n]
			if o.rotation == nil || c.group == 0 {
				from = r*m.Stride + c.coord
				vec.Add(d, d, m.Data[from:from+c.n])
			} else {
				o.rotation.addUnturned(d, m.Row(r), c.group, c.coord)
			}
		}
	}
}

// rotation has the tables of RoPE, with base 10000 and paired halves, for the numbers of the groups as positions.
type rotation struct {
	half          int
	cos, sin, neg []float32 // groups × half; neg is −sin
}

type rotationKey struct{ q, groups int }

// rotations are shared between layers, since a model has few shapes.
var rotations sync.Map

// rotationOf returns the tables, which are computed in float32 as in the published implementation.
func rotationOf(q, groups int) *rotation {
	if r, ok := rotations.Load(rotationKey{q, groups}); ok {
		return r.(*rotation)
	}
	r := &rotation{half: q / 2}
	for g := range groups {
		for v := range q / 2 {
			inv := 1 / float32(math.Pow(10000, float64(float32(2*v)/float32(q))))
			sin, cos := math.Sincos(float64(float32(g) * inv))
			r.cos, r.sin = append(r.cos, float32(cos)), append(r.sin, float32(sin))
			r.neg = append(r.neg, -float32(sin))
		}
	}
	rotations.Store(rotationKey{q, groups}, r)
	return r
}

// tables are the cosines and sines of a group.
func (r *rotation) tables(group int) (cos, sin []float32) {
	return r.cos[group*r.half : (group+1)*r.half], r.sin[group*r.half : (group+1)*r.half]
}

// turn rotates each group of z by vec.Rotate or, back, by vec.Unrotate. The angle of group 0 is 0.
func (r *rotation) turn(z []float32, by func(x, cos, sin []float32)) {
	q := 2 * r.half
	for g := 1; g < len(z)/q; g++ {
		cos, sin := r.tables(g)
		by(z[g*q:(g+1)*q], cos, sin)
	}
}

// addUnturned adds to d the coordinates of m from coord on, rotated back.
func (r *rotation) addUnturned(d, m []float32, group, coord int) {
	at := group*r.half + coord
	if n := min(len(d), r.half-coord); n > 0 {
		vec.MulAdd(d[:n], r.cos[at:at+n], m[coord:coord+n])
		vec.MulAdd(d[:n], r.sin[at:at+n], m[coord+r.half:coord+r.half+n])
		d, at, coord = d[n:], at+n, coord+n
	}
	if len(d) == 0 {
		return
	}
	at, n := at-r.half, len(d)
	vec.MulAdd(d, r.cos[at:at+n], m[coord:coord+n])
	vec.MulAdd(d, r.neg[at:at+n], m[coord-r.half:coord-r.half+n])
}
