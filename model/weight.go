package model

import (
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Weight is one tensor of a model. Frozen it stays in the checkpoint's type and memory; trained it is a float32
// parameter.
//
// At most one of tied, twin and computed is set; an architecture sets them when it declares the weight. What each field
// does:
//
//	field     loading                            training                       saving
//	tied      takes no tensor                    trains as the other weight     not written unless untied
//	loose     with tied: takes a tensor, and is
//	          no longer tied, if there is one
//	untied    (Replace or a copy sets it)        trains alone                   all tied weights are written, and
//	                                                                            tie_word_embeddings is false
//	twin      takes a tensor of its own          trains alone                   as tied, while the values are equal
//	computed  a tensor may be missing            never trains                   written if it was read, or replaced
//	shared    is a Cybertron model's memory      changes values in place        as others
//	nameless  not listed by Weights              trains as the other weight     under the other weight's name
type Weight struct {
	// Name is its Hugging Face name, such as model.layers.0.self_attn.q_proj.weight.
	Name string
	// Shape has one extent (norms, biases) or two ([out, in]).
	Shape []int

	tied     *Weight
	loose    bool
	untied   bool
	twin     *Weight
	computed bool
	shared   bool
	nameless bool

	layerNorm bool // a LayerNorm's weight or bias

	stored checkpoint.Tensor    // as it was read; its Data are nil where the values are float32 of its own
	source tensor.Source        // as it is multiplied with; for one extent, a row
	param  *nn.Param            // where the base itself trains
	copies map[string]*nn.Param // an adapter's trained copy (modules_to_save), by the adapter's name
}

// NewWeight declares a tensor that a checkpoint must have.
func NewWeight(shape ...int) *Weight { return &Weight{Shape: shape} }

func (w *Weight) rowsCols() (rows, cols int) {
	if len(w.Shape) == 1 {
		return 1, w.Shape[0]
	}
	return w.Shape[0], w.Shape[1]
}

// Size is the number of values.
func (w *Weight) Size() int {
	r, c := w.rowsCols()
	return r * c
}

// DerivedBuffer says whether the weight is a table that follows from the config (sinusoids), of which formats hold their own.
func (w *Weight) DerivedBuffer() bool {
	rows, _ := w.rowsCols()
	return w.computed && rows > 1
}

// bytes counts the bytes of the values as they are kept.
func (w *Weight) bytes() int {
	if w.stored.Data == nil {
		return 4 * w.Size()
	}
	return len(w.stored.Data)
}

// OfLayerNorm reports whether the weight is a LayerNorm's.
func (w *Weight) OfLayerNorm() bool { return w.layerNorm }

// Tied returns the weight that this one is, or nil.
func (w *Weight) Tied() *Weight { return w.tied }

// bind takes the weight's values from a checkpoint, without a copy where the type can be multiplied with as it is.
func (w *Weight) bind(t checkpoint.Tensor) error {
	rows, cols := w.rowsCols()
	switch {
	case rows == 1 || t.DType == checkpoint.DTypeF64: // Vector wants float32
		v, err := t.Float32s()
		if err != nil {
			return err
		}
		w.source = tensor.View(v, rows, cols)
	case t.DType == checkpoint.DTypeF32:
		v, ok := t.Float32View()
		if !ok {
			var err error
			if v, err = t.Float32s(); err != nil {
				return err
			}
		}
		w.source = tensor.View(v, rows, cols)
	case t.DType == checkpoint.DTypeBF16:
		w.source = tensor.BF16{Data: t.Uint16s(), Rows: rows, Cols: cols}
	case t.DType == checkpoint.DTypeF16:
		w.source = tensor.F16{Data: t.Uint16s(), Rows: rows, Cols: cols}
	default:
		return notSupported("%s: element type %s is not served; want F32, BF16 or F16", t.Name, t.DType)
	}
	w.stored = t
	return nil
}

// set gives the weight float32 values of its own.
func (w *Weight) set(values []float32) {
	rows, cols := w.rowsCols()
	w.source = tensor.View(values, rows, cols)
	w.stored = checkpoint.Tensor{}
}

// Param is the parameter that trains in a pass with the named adapter, or nil.
func (w *Weight) Param(adapter string) *nn.Param {
	if p := w.copies[adapter]; p != nil {
		return p
	}
	switch {
	case w.tied == nil:
		return w.param
	case len(w.Shape) == 1: // a masked-LM head's bias under its other name
		return w.tied.Param(adapter)
	}
	return w.tied.Param("") // an adapter's copy of that one is not for this one, as in PEFT
}

// Source is the matrix [out, in] in a pass with the named adapter.
func (w *Weight) Source(adapter string) tensor.Source {
	if p := w.Param(adapter); p != nil {
		return op.Data(p)
	}
	if w.tied != nil {
		return w.tied.Source("")
	}
	return w.source
}

// Lookup is the weight as a table of an op.EmbeddingSum: the rows that ids name.
func (w *Weight) Lookup(p *op.Pass, ids []int32) op.EmbeddingPart {
	return op.EmbeddingPart{IDs: ids, Table: w.Source(p.Adapter), Param: w.Param(p.Adapter)}
}

// Tie gives the weight another one's values, as tie_word_embeddings does. It is to be called before values are bound.
func (w *Weight) Tie(to *Weight) { w.tied = to }

// Vector is a weight with one extent or one row, in a pass with the named adapter.
func (w *Weight) Vector(adapter string) []float32 {
	if w == nil {
		return nil
	}
	return w.Source(adapter).(tensor.Matrix).Data
}

// Values returns a float32 copy of the weight in a pass with the named adapter.
func (w *Weight) Values(adapter string) []float32 {
	rows, cols := w.rowsCols()
	v := make([]float32, rows*cols)
	w.Source(adapter).Block(v, cols, 0, 0, rows, cols)
	return v
}

// Buffer says that the weight's values follow from the config: it never trains.
func (w *Weight) Buffer() bool { return w.computed }

// compute declares a weight by its values.
func compute(values []float32, shape ...int) *Weight {
	w := &Weight{Shape: shape, computed: true}
	w.set(values)
	return w
}

// Train makes the weight a float32 parameter; nil for a computed one.
func (w *Weight) Train() *nn.Param {
	if w.tied != nil {
		return w.tied.Train()
	}
	if w.param == nil && !w.computed {
		rows, cols := w.rowsCols()
		v := w.own()
		w.param = op.NewParam(v, rows, cols)
		w.set(v)
	}
	return w.param
}

// own is a float32 copy of the weight, or the shared values themselves.
func (w *Weight) own() []float32 {
	if w.shared {
		return w.source.(tensor.Matrix).Data
	}
	return w.Values("")
}

// Freeze ends training; the weight keeps its values.
func (w *Weight) Freeze() { w.param = nil }

// SetOverride gives the named adapter a trained copy of the weight; nil takes it away. The weight itself stays.
func (w *Weight) SetOverride(adapter string, values []float32) *nn.Param {
	if values == nil {
		delete(w.copies, adapter)
		return nil
	}
	rows, cols := w.rowsCols()
	if w.copies == nil {
		w.copies = map[string]*nn.Param{}
	}
	p := op.NewParam(values, rows, cols)
	w.copies[adapter] = p
	return p
}

// Override returns the named adapter's trained copy, or nil.
func (w *Weight) Override(adapter string) *nn.Param { return w.copies[adapter] }

// SetValues gives the weight other values for good, which it keeps.
func (w *Weight) SetValues(values []float32) { w.set(values) }

// Replace puts a matrix in the place of the weight's own until restore is called; a tied weight is one of its own
// meanwhile. Trained copies stay as they are. The values of a model that Cybertron serves are written over, and restored.
func (w *Weight) Replace(src tensor.Source) (restore func()) {
	if w.shared {
		rows, cols := w.rowsCols()
		v, base := w.own(), w.Values("")
		src.Block(v, cols, 0, 0, rows, cols)
		return func() { copy(v, base) }
	}
	old := *w
	w.tied, w.stored, w.source, w.param = nil, checkpoint.Tensor{}, src, nil
	w.untied = w.untied || old.tied != nil
	return func() {
		w.tied, w.stored, w.source, w.param, w.untied = old.tied, old.stored, old.source, old.param, old.untied
	}
}
