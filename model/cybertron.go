package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
	spagoembedding "github.com/nlpodyssey/spago/nn/embedding"
	"github.com/nlpodyssey/spago/nn/linear"
	"github.com/nlpodyssey/spago/nn/normalization/layernorm"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/tensor"
)

// cybertronBackbone is implemented by backbones for which Cybertron has a model.
type cybertronBackbone interface {
	Backbone
	// pair says which parameters of the Cybertron model cyb hold which of the backbone's weights.
	pair(p *pairing, cyb any) error
	// newCybertron makes the Cybertron model of the same sizes and head, with values that are zero. m has the config.
	newCybertron(m *Model) (any, error)
	// sharesMemory is called when the backbone shares a Cybertron model's memory.
	sharesMemory()
}

// pairing says where a model's weights are in a Cybertron model.
type pairing struct {
	model   any // Cybertron's
	weights []weightPair
	norms   []normPair
	tables  []*Weight
	// extra are tensors of the Cybertron model that the backbone does not use, such as BERT's pooler.
	extra []*Weight
	// buffers are constants of the Cybertron model.
	buffers []**nn.Buffer
}

// weightPair is a weight and the Cybertron parameters that hold its rows, in their order. Cybertron has a parameter for
// every head of an attention and for every row of an embedding.
type weightPair struct {
	weight *Weight
	parts  []*nn.Param
	fixed  tensor.Source // replaces the weight in the backbone's computation, or nil
}

type normPair struct {
	norm  *LayerNorm
	model *layernorm.Model // Cybertron's
}

func (p *pairing) linear(l *Linear, parts ...*linear.Model) {
	w, b := weightPair{weight: l.Weight}, weightPair{weight: l.Bias}
	if l.Bias.nameless {
		b.weight = l.Bias.tied
	}
	for _, m := range parts {
		w.parts, b.parts = append(w.parts, m.W), append(b.parts, m.B)
	}
	p.weights = append(p.weights, w, b)
}

func (p *pairing) norm(n *LayerNorm, m *layernorm.Model) {
	p.weights = append(p.weights, weightPair{weight: n.Weight, parts: []*nn.Param{m.W}}, weightPair{weight: n.Bias, parts: []*nn.Param{m.B}})
	p.norms = append(p.norms, normPair{n, m})
	p.buffers = append(p.buffers, &m.Eps)
}

func (p *pairing) table(w *Weight, m *spagoembedding.Model) {
	p.weights = append(p.weights, weightPair{weight: w, parts: m.Weights})
	p.tables = append(p.tables, w)
}

// unused pairs a norm with which neither side computes.
func (p *pairing) unused(m *layernorm.Model) {
	if m != nil {
		n := m.W.Size()
		p.weights = append(p.weights, weightPair{weight: NewWeight(n), parts: []*nn.Param{m.W}}, weightPair{weight: NewWeight(n), parts: []*nn.Param{m.B}})
		p.buffers = append(p.buffers, &m.Eps)
	}
}

// addExtra pairs a layer that the backbone does not have.
func (p *pairing) addExtra(path string, out, in int, m *linear.Model) {
	l := NewLinear(out, in, true)
	l.path, l.Weight.Name, l.Bias.Name = path, path+".weight", path+".bias"
	p.linear(l, m)
	p.extra = append(p.extra, l.Weight, l.Bias)
}

// errIncomplete replaces a panic while a Cybertron model is walked through.
var errIncomplete = errors.New("the Cybertron model is incomplete")

// pairUp pairs a backbone with a Cybertron model and checks that every part is there.
func pairUp(h Backbone, cyb any) (p *pairing, err error) {
	c, ok := h.(cybertronBackbone)
	if !ok {
		return nil, fmt.Errorf("%T has no counterpart in Cybertron", h)
	}
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%w: %v", errIncomplete, r)
		}
	}()
	p = &pairing{model: cyb}
	if err := c.pair(p, cyb); err != nil {
		return nil, err
	}
	for _, t := range p.weights {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// check says why the parts are not the weight's rows.
func (t weightPair) check() error {
	rows, cols := t.weight.rowsCols()
	n := 0
	for _, p := range t.parts {
		if err := checkPart(p, cols, len(t.weight.Shape) == 2); err != nil {
			return fmt.Errorf("%s: %w", t.weight.Name, err)
		}
		n += p.Size()
	}
	if n != rows*cols {
		return fmt.Errorf("%s has %d values, want %v", t.weight.Name, n, t.weight.Shape)
	}
	return nil
}

// checkPart says why a parameter is not rows of cols values. (Spago ends the process on a wrong shape.)
func checkPart(p *nn.Param, cols int, rows bool) error {
	if p == nil || p.Matrix == nil {
		return fmt.Errorf("%w: a parameter is empty", errIncomplete)
	}
	if _, ok := p.Matrix.(*mat.Dense[float32]); !ok {
		return fmt.Errorf("%T; want 32-bit precision (tasks.F32)", p.Matrix)
	}
	s := p.Shape()
	switch {
	case len(s) != 2 || s[0] <= 0 || s[1] <= 0 || s[0] > p.Size() || s[0]*s[1] != p.Size():
		return fmt.Errorf("a parameter of shape %v with %d values", s, p.Size())
	case rows && s[1] != cols && p.Size() != cols: // one row may be a column
		return fmt.Errorf("a parameter of shape %v; want rows of %d values", s, cols)
	}
	return nil
}

// values is the buffer that holds the parts, one after the other: the one of which they are views already, or a new one of
// which they become views. A buffer that was made here has a spare value at its end. One that was read from a file may be
// misaligned, and is part of the whole file's buffer, which would stay in memory.
func (t weightPair) values() []float32 {
	n := t.weight.Size()
	first := mat.Data[float32](t.parts[0].Matrix)
	if cap(first) > n {
		whole, at, same := first[:n], 0, true
		for _, p := range t.parts {
			d := mat.Data[float32](p.Matrix)
			same = same && at < n && len(d) > 0 && &whole[at] == &d[0]
			at += len(d)
		}
		if same {
			return whole
		}
	}
	v := make([]float32, 0, n+1)
	for _, p := range t.parts {
		v = append(v, mat.Data[float32](p.Matrix)...)
	}
	t.view(v)
	return v
}

// view makes the parts views of v, which has a spare value at the end.
func (t weightPair) view(v []float32) {
	at := 0
	for _, p := range t.parts {
		n := p.Size()
		p.ReplaceValue(mat.NewDense[float32](mat.WithShape(p.Shape()...), mat.WithBacking(v[at:at+n]), mat.WithGrad(p.RequiresGrad())))
		at += n
	}
}

// share makes the weights and the Cybertron model's parameters the same memory.
func (p *pairing) share() {
	for _, t := range p.weights {
		w := t.weight
		w.set(t.values())
		w.shared = true
		if w.tied != nil { // Cybertron has one tensor, under the other weight's name
			w.tied.nameless = true
			w.Name, w.tied = w.tied.Name, nil
		}
	}
	for _, b := range p.buffers {
		if *b != nil {
			*b = nn.Buf((*b).Value().(mat.Matrix).Clone())
		}
	}
}

// FromCybertron makes a model over one that Cybertron has loaded: one of package bert's (ModelForSequenceClassification,
// ForTokenClassification, ForQuestionAnswering, ForMaskedLM, ForSequenceEncoding) or of package bart's
// (ModelForConditionalGeneration, ForSequenceClassification), or the task that tasks.Load returned. Both share one memory:
// merging an adapter, and full fine-tuning, change the Cybertron model at once. The model computes as Cybertron does, unless
// the options ask for Hugging Face's numerics. Names are Hugging Face's.
//
// The Cybertron model's parameters move into new buffers. Nothing may run on the Cybertron model meanwhile, nor while an
// adapter is merged or unmerged.
//
// With a new head, whose weights are random, the Cybertron model is another one too: Model.Cybertron.
func FromCybertron(v any, o Options) (*Model, error) {
	m, err := fromCybertron(unwrap(v), nil, o)
	if err != nil {
		return nil, fmt.Errorf("model: from Cybertron: %w", err)
	}
	return m, nil
}

// unwrap finds the model inside a task of Cybertron's, which has it as its field Model.
func unwrap(v any) any {
	for {
		x := reflect.ValueOf(v)
		if x.Kind() != reflect.Pointer || x.IsNil() || x.Elem().Kind() != reflect.Struct {
			return v
		}
		f := x.Elem().FieldByName("Model")
		if t := x.Elem().Type(); !f.IsValid() && t.NumField() == 1 && t.Field(0).Anonymous {
			f = x.Elem().Field(0)
		}
		if !f.IsValid() || f.Kind() != reflect.Pointer {
			return v
		}
		v = f.Interface()
	}
}

// configOf is the config.json of the Cybertron model cyb.
func configOf(cyb any) (config []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errIncomplete, r)
		}
	}()
	if b, kind := cybertronBERT(cyb); kind != "" {
		return bertConfigOf(b, kind)
	}
	if b, kind := cybertronBART(cyb); kind != "" {
		return bartConfigOf(b, kind)
	}
	return nil, fmt.Errorf("%T is not supported; supported are Cybertron's bert.ModelForSequenceClassification, "+
		"ForTokenClassification, ForQuestionAnswering, ForMaskedLM and ForSequenceEncoding, bart.ModelForConditionalGeneration "+
		"and ForSequenceClassification, and the tasks with them", cyb)
}

// fromCybertron makes the model over cyb; config is its config.json, or nil.
func fromCybertron(cyb any, config []byte, o Options) (*Model, error) {
	if o.Numerics == "" {
		o.Numerics = Cybertron
	}
	own, err := configOf(cyb)
	if err != nil {
		return nil, err
	}
	if config == nil {
		config = own
	}
	untied, err := setKey(config, "tie_word_embeddings", false) // Cybertron's models keep a copy of the embeddings
	if err != nil {
		return nil, err
	}
	m, err := build(untied, o)
	if err != nil {
		return nil, err
	}
	if o.Head.Kind == "" {
		m.ConfigJSON = config
	} else {
		if cyb, m.NewlyInitialized, err = withCybertronHead(cyb, m.Head().Config); err != nil {
			return nil, err
		}
	}
	if m.cybertron, err = pairUp(m.Backbone, cyb); err != nil {
		return nil, err
	}
	m.cybertron.share()
	m.Backbone.(cybertronBackbone).sharesMemory()
	if m.NewlyInitialized {
		if err := m.drawHead(); err != nil {
			return nil, err
		}
	}
	return m, m.checkCybertron()
}

// drawHead draws values for the weights of a new head that are zero. Others have values: Cybertron's pooler may be one.
func (m *Model) drawHead() error {
	b := binding{m: m, seed: m.Options.Seed}
	var err error
	m.Weights(func(w *Weight) {
		v := w.Vector("")
		if !m.Head().Has(w.Name) || slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
			return
		}
		if e := b.random(w); e != nil {
			err = e
			return
		}
		copy(v, w.Vector(""))
		w.set(v)
	})
	return err
}

// checkCybertron refuses values that are not finite, takes over the norms' constants and warns of empty rows.
func (m *Model) checkCybertron() error {
	for _, t := range m.cybertron.weights {
		if text, bad := notFinite(t.weight); bad {
			return errors.New(text)
		}
	}
	for _, n := range m.cybertron.norms {
		if m.Options.Numerics == Cybertron {
			n.norm.Eps = float32(n.model.Eps.Value().Item().F64())
		}
	}
	for _, w := range m.cybertron.tables {
		rows, cols := w.rowsCols()
		if zero := emptyRows(w.Vector(""), rows, cols); zero > 0 {
			m.Warnings = append(m.Warnings, fmt.Sprintf("%s: the last %d of %d rows are zero, as Cybertron's converter leaves the end of a vocabulary",
				w.Name, zero, rows))
		}
	}
	return nil
}

// emptyRows counts the rows of zeros at the end of a matrix.
func emptyRows(v []float32, rows, cols int) int {
	for n := 0; n < rows; n++ {
		for _, x := range v[(rows-n-1)*cols : (rows-n)*cols] {
			if x != 0 {
				return n
			}
		}
	}
	return rows
}

// Cybertron is the Cybertron model that shares the model's memory, or nil.
func (m *Model) Cybertron() any {
	if m.cybertron == nil {
		return nil
	}
	return m.cybertron.model
}

// setKey is a JSON object with a key set.
func setKey(config []byte, key string, value any) ([]byte, error) {
	all, err := jsonvalue.Object(config)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	all[key] = value
	return json.MarshalIndent(all, "", "  ")
}
