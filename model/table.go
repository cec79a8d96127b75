package model

import (
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// TableAdapter changes a frozen table of embeddings from W [rows, dim] to W' where its rows are looked up. A layer whose
// weight is tied to the table keeps W, as in PEFT.
type TableAdapter interface {
	nn.Model
	// Params are the matrices that training moves.
	Params() []Param
	// MergeInto turns w, the block of W from row i and column j on, into that block of W'. It is called from several
	// goroutines at once.
	MergeInto(w tensor.Matrix, i, j int)
	// GradRows adds to the gradients of Params, given the rows that were looked up and the gradient gy [len(rows), dim] of
	// what was found there. A row below 0 gets no gradient.
	GradRows(rows []int32, gy tensor.Matrix)
}

// merger folds an update into blocks of a matrix: an Adapter or a TableAdapter.
type merger interface {
	MergeInto(w tensor.Matrix, i, j int)
}

// Attach puts an adapter on the weight as a table, under a name. nil takes the adapter of that name away.
func (w *Weight) Attach(name string, a TableAdapter) {
	if a == nil {
		delete(w.tables, name)
		return
	}
	if w.tables == nil {
		w.tables = map[string]TableAdapter{}
	}
	w.tables[name] = a
}

// Adapter returns the adapter of that name on the table, or nil.
func (w *Weight) Adapter(name string) TableAdapter { return w.tables[name] }

// Table is the matrix that rows are looked up in, in a pass with the named adapter.
func (w *Weight) Table(adapter string) tensor.Source {
	if a := w.tables[adapter]; a != nil {
		return folded{w.Source(adapter), a}
	}
	return w.Source(adapter)
}

// Lookup is the weight as a table of an op.EmbeddingSum: the rows that ids name.
func (w *Weight) Lookup(p *op.Pass, ids []int32) op.EmbeddingPart {
	part := op.EmbeddingPart{IDs: ids, Table: w.Table(p.Adapter), Param: w.Param(p.Adapter)}
	if a := w.tables[p.Adapter]; a != nil {
		part.Adapter = tableGrads{a}
	}
	return part
}

// Tables calls f for every weight that is a table of embeddings: a matrix that is no linear layer's, router's or expert's.
func (m *Model) Tables(f func(*Weight)) {
	layers := map[*Weight]bool{}
	m.walk(func(_ string, l *Linear) { layers[l.Weight] = true }, nil)
	m.Weights(func(w *Weight) {
		if len(w.Shape) == 2 && strings.HasSuffix(w.Name, ".weight") && !layers[w] {
			f(w)
		}
	})
}

// tableGrads is a TableAdapter as package op trains it.
type tableGrads struct{ TableAdapter }

var _ op.RowGradder = tableGrads{}

// Params are the parameters that train.
func (a tableGrads) Params() []*nn.Param {
	var ps []*nn.Param
	for _, p := range a.TableAdapter.Params() {
		if p.RequiresGrad() {
			ps = append(ps, p.Param)
		}
	}
	return ps
}
