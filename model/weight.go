package model

import (
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Weight is a tensor of a model. While it is frozen it stays in the checkpoint's type and memory; when it trains it is a
// float32 parameter.
type Weight struct {
	// Name is its Hugging Face name, such as model.layers.0.self_attn.q_proj.weight.
	Name string
	// Shape has one extent (norms, biases) or two ([out, in]).
	Shape []int

	// At most one of tied, twin and computed is set; an architecture sets them when it declares the weight.
	//
	//	field     loading                            training                    saving
	//	tied      takes no tensor                    trains as the other weight  not written unless untied
	//	loose     with tied: takes a tensor if there
	//	          is one, and is then not tied
	//	untied    (Replace or a copy sets it)        trains alone                all tied weights are written, and
	//	                                                                         tie_word_embeddings is false
	//	twin      takes a tensor of its own          trains alone                as tied, while the values are equal
	//	computed  a tensor may be missing            never trains                written if it was read or replaced
	//	shared    is a Cybertron model's memory      changes values in place     as others
	//	nameless  not listed by Weights              trains as the other weight  under the other weight's name
	tied     *Weight
	loose    bool
	untied   bool
	twin     *Weight
	computed bool
	shared   bool
	nameless bool

	layerNorm   bool // a LayerNorm's weight or bias
	channelwise bool // a checkpoint holds the matrix with an extent of 1 between its two (a convolution of each channel)
	// entry and entries say that the weight is an entry of a parameter of transformers (Entry).
	entry, entries int
	transposed     bool // a checkpoint holds the matrix as [in, out]

	drawn  bool                 // the values are random since the checkpoint lacks them, and nothing has trained them
	stored checkpoint.Tensor    // the tensor that was read; without Data if the values are float32 of the weight's own
	blocks bool                 // stored has a type or an order of GGUF's: only source reads it
	source tensor.Source        // the matrix for products; a weight with one extent is a row
	param  *nn.Param            // where the base itself trains
	copies map[string]*nn.Param // adapters' trained copies (modules_to_save), by the adapter's name
	tables map[string]TableAdapter
	packed *tensor.Packed // of Model.Prepack; nil for a weight that trains, or that has changed since
}

// NewWeight declares a weight, which a checkpoint must have.
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

// DerivedBuffer says whether the weight is a table that follows from the config (sinusoids); formats differ in such tables.
func (w *Weight) DerivedBuffer() bool {
	rows, _ := w.rowsCols()
	return w.computed && rows > 1
}

// bytes counts the bytes of the values in the type in which they are kept.
func (w *Weight) bytes() int {
	if w.stored.Data == nil {
		return 4 * w.Size()
	}
	return len(w.stored.Data) + len(w.stored.Scales)
}

// OfLayerNorm reports whether the weight is a LayerNorm's.
func (w *Weight) OfLayerNorm() bool { return w.layerNorm }

// Tied returns the weight to which this one is tied, or nil.
func (w *Weight) Tied() *Weight { return w.tied }

// bind takes the weight's values from a checkpoint, without a copy if products can read the type.
func (w *Weight) bind(t checkpoint.Tensor) error {
	if w.transposed {
		as := &Weight{Shape: w.shape()}
		if err := as.bind(t); err != nil {
			return err
		}
		w.source, w.stored, w.blocks = tensor.Transpose(as.source), t, false
		return nil
	}
	rows, cols := w.rowsCols()
	w.blocks = false
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
	case t.DType == checkpoint.DTypeMXFP4:
		m, err := t.MXFP4()
		if err != nil {
			return err
		}
		w.source = tensor.Transpose(m)
	default:
		return notSupported("%s: element type %s is not supported; want F32, BF16 or F16", t.Name, t.DType)
	}
	w.stored = t
	return nil
}

// bindSource takes the weight's values from a file that unpacks them itself; t is the tensor as it is stored.
func (w *Weight) bindSource(t checkpoint.Tensor, src tensor.Source) {
	if w.transposed {
		src = tensor.Transpose(src)
	}
	if rows, cols := w.rowsCols(); rows == 1 { // Vector wants float32
		v := make([]float32, cols)
		src.Block(v, cols, 0, 0, 1, cols)
		src = tensor.View(v, 1, cols)
	}
	w.source, w.stored, w.blocks = src, t, true
}

// set gives the weight float32 values of its own.
func (w *Weight) set(values []float32) {
	rows, cols := w.rowsCols()
	w.source, w.packed = tensor.View(values, rows, cols), nil
	w.stored = checkpoint.Tensor{}
	w.drawn = false
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
	return w.tied.Param("") // as in PEFT, an adapter's copy of the other weight is not used here
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

// factor is Source for products of few rows or many: packed where the weight has been.
func (w *Weight) factor(adapter string) tensor.Source {
	if w.packed != nil && w.Param(adapter) == nil {
		return w.packed
	}
	return w.Source(adapter)
}

// prepack packs a frozen matrix.
func (w *Weight) prepack(bf16 bool) {
	if w.tied == nil && w.param == nil && w.packed == nil && !w.shared {
		w.packed = tensor.Pack(w.source, bf16)
	}
}

// Tie makes the weight share another one's values, as tie_word_embeddings does. An architecture's New calls it.
func (w *Weight) Tie(to *Weight) { w.tied = to }

// Vector returns the values of a weight with one extent or one row in a pass with the named adapter; nil for a nil weight.
func (w *Weight) Vector(adapter string) []float32 {
	if w == nil {
		return nil
	}
	s := w.Source(adapter)
	if z, ok := s.(zeros); ok { // of NewMeta
		return make([]float32, z.cols)
	}
	return s.(tensor.Matrix).Data
}

// Values returns a float32 copy of the weight in a pass with the named adapter.
func (w *Weight) Values(adapter string) []float32 {
	rows, cols := w.rowsCols()
	v := make([]float32, rows*cols)
	w.Source(adapter).Block(v, cols, 0, 0, rows, cols)
	return v
}

// Buffer says whether the weight's values follow from the config, so that it never trains.
func (w *Weight) Buffer() bool { return w.computed }

// compute declares a weight whose values follow from the config.
func compute(values []float32, shape ...int) *Weight {
	w := &Weight{Shape: shape, computed: true}
	w.set(values)
	return w
}

// Train makes the weight a float32 parameter and returns it; nil for a Buffer.
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

// SetOverride gives the named adapter a trained copy of the weight; nil removes the copy. The weight itself does not change.
func (w *Weight) SetOverride(adapter string, values []float32) *nn.Param {
	if values == nil {
		delete(w.copies, adapter)
		return nil
	}
	rows, cols := w.rowsCols()
	p := op.NewParam(values, rows, cols)
	w.PutOverride(adapter, p)
	return p
}

// PutOverride gives the named adapter a trained copy that SetOverride has made.
func (w *Weight) PutOverride(adapter string, p *nn.Param) {
	if w.copies == nil {
		w.copies = map[string]*nn.Param{}
	}
	w.copies[adapter] = p
}

// Override returns the named adapter's trained copy, or nil.
func (w *Weight) Override(adapter string) *nn.Param { return w.copies[adapter] }

// SetValues gives the weight new values. It keeps the slice.
func (w *Weight) SetValues(values []float32) { w.set(values) }

// Replace gives the weight another matrix until restore is called. A tied weight is not tied meanwhile; trained copies do not
// change. In memory that a Cybertron model shares the values are overwritten, and restored.
func (w *Weight) Replace(src tensor.Source) (restore func()) {
	if w.shared {
		rows, cols := w.rowsCols()
		v, base := w.own(), w.Values("")
		src.Block(v, cols, 0, 0, rows, cols)
		return func() { copy(v, base) }
	}
	old := *w
	w.tied, w.stored, w.source, w.packed, w.param, w.drawn = nil, checkpoint.Tensor{}, src, nil, nil, false
	w.untied = w.untied || old.tied != nil
	return func() {
		w.tied, w.stored, w.source, w.packed, w.param, w.untied, w.drawn = old.tied, old.stored, old.source, old.packed, old.param, old.untied, old.drawn
	}
}
