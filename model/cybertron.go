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

	"github.com/spagotune/spagotune/tensor"
)

// cybertronHost is implemented by hosts that Cybertron has a model for.
type cybertronHost interface {
	Backbone
	// pair says which parameters of a Cybertron model hold which of the host's weights.
	pair(p *pairing, served any) error
	// newServed makes the Cybertron model of the host's sizes and head, its values zero. The model has the config.
	newServed(m *Model) (any, error)
	// hosted is called when the host shares a Cybertron model's memory.
	hosted()
}

// pairing says where a host's weights are in a Cybertron model.
type pairing struct {
	served any
	ties   []tie
	norms  []normTie
	tables []*Weight
	// extra are tensors of the Cybertron model that the host has no use for, such as BERT's pooler.
	extra []*Weight
	// buffers are constants of the Cybertron model.
	buffers []**nn.Buffer
}

// tie is one weight: the parameters that hold its rows, one after the other. Cybertron has a parameter for every head of
// an attention and for every row of an embedding.
type tie struct {
	weight *Weight
	parts  []*nn.Param
	fixed  tensor.Source // what the host computes with in the weight's place, or nil
}

type normTie struct {
	norm   *LayerNorm
	served *layernorm.Model
}

func (p *pairing) linear(l *Linear, parts ...*linear.Model) {
	w, b := tie{weight: l.Weight}, tie{weight: l.Bias}
	if l.Bias.nameless {
		b.weight = l.Bias.tied
	}
	for _, m := range parts {
		w.parts, b.parts = append(w.parts, m.W), append(b.parts, m.B)
	}
	p.ties = append(p.ties, w, b)
}

func (p *pairing) norm(n *LayerNorm, m *layernorm.Model) {
	p.ties = append(p.ties, tie{weight: n.Weight, parts: []*nn.Param{m.W}}, tie{weight: n.Bias, parts: []*nn.Param{m.B}})
	p.norms = append(p.norms, normTie{n, m})
	p.buffers = append(p.buffers, &m.Eps)
}

func (p *pairing) table(w *Weight, m *spagoembedding.Model) {
	p.ties = append(p.ties, tie{weight: w, parts: m.Weights})
	p.tables = append(p.tables, w)
}

// unused is a norm that neither the host nor Cybertron computes with.
func (p *pairing) unused(m *layernorm.Model) {
	if m != nil {
		n := m.W.Size()
		p.ties = append(p.ties, tie{weight: NewWeight(n), parts: []*nn.Param{m.W}}, tie{weight: NewWeight(n), parts: []*nn.Param{m.B}})
		p.buffers = append(p.buffers, &m.Eps)
	}
}

// outside is a layer that the host has not.
func (p *pairing) outside(path string, out, in int, m *linear.Model) {
	l := NewLinear(out, in, true)
	l.path, l.Weight.Name, l.Bias.Name = path, path+".weight", path+".bias"
	p.linear(l, m)
	p.extra = append(p.extra, l.Weight, l.Bias)
}

// errIncomplete is what becomes of a panic while a Cybertron model is walked through.
var errIncomplete = errors.New("the Cybertron model is incomplete")

// pairUp pairs a host with a Cybertron model and checks that every part is there.
func pairUp(h Backbone, served any) (p *pairing, err error) {
	c, ok := h.(cybertronHost)
	if !ok {
		return nil, fmt.Errorf("%T has no counterpart in Cybertron", h)
	}
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%w: %v", errIncomplete, r)
		}
	}()
	p = &pairing{served: served}
	if err := c.pair(p, served); err != nil {
		return nil, err
	}
	for _, t := range p.ties {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// check says why the parts are not the weight's rows.
func (t tie) check() error {
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

// checkPart says why a parameter is not some rows of so many values. (Spago ends the process on a wrong shape.)
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

// values is the buffer that the parts lie in, one after the other: the one that they are views of already, or a new one
// that they become views of. A spare value at the end of a buffer says that it was made here; one that was read from
// a file may be misaligned and is part of the whole file's, which would stay in memory.
func (t tie) values() []float32 {
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
func (t tie) view(v []float32) {
	at := 0
	for _, p := range t.parts {
		n := p.Size()
		p.ReplaceValue(mat.NewDense[float32](mat.WithShape(p.Shape()...), mat.WithBacking(v[at:at+n]), mat.WithGrad(p.RequiresGrad())))
		at += n
	}
}

// share makes the weights and the Cybertron model's parameters the same memory.
func (p *pairing) share() {
	for _, t := range p.ties {
		w := t.weight
		w.set(t.values())
		w.shared = true
		if w.tied != nil { // Cybertron has one tensor, by that one's name
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

// FromCybertron makes a host over a model that Cybertron has loaded: one of package bert's (ModelForSequenceClassification,
// ForTokenClassification, ForQuestionAnswering, ForMaskedLM, ForSequenceEncoding) or of package bart's
// (ModelForConditionalGeneration, ForSequenceClassification), or the task that tasks.Load returned. Both share one memory: an adapter that is merged, and full fine-tuning, change what Cybertron
// serves at once. The host computes what Cybertron does (Numerics is Cybertron). Names are Hugging Face's.
//
// The Cybertron model's parameters are moved into buffers of the host's; nothing may run on it meanwhile, nor while an
// adapter is merged or taken out.
//
// With Hugging Face's numerics (Options.Numerics), or with another head, whose weights are random, the Cybertron model that
// serves it is Model.Cybertron.
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

// servedConfig is the config.json of a Cybertron model.
func servedConfig(served any) (config []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errIncomplete, r)
		}
	}()
	if b, kind := servedBERT(served); kind != "" {
		return bertConfigOf(b, kind)
	}
	if b, kind := servedBART(served); kind != "" {
		return bartConfigOf(b, kind)
	}
	return nil, fmt.Errorf("%T is no model that is supported; supported are Cybertron's bert.ModelForSequenceClassification, "+
		"ForTokenClassification, ForQuestionAnswering, ForMaskedLM and ForSequenceEncoding, bart.ModelForConditionalGeneration "+
		"and ForSequenceClassification, and the tasks with them", served)
}

// fromCybertron makes the host; config is its config.json where there is one.
func fromCybertron(served any, config []byte, o Options) (*Model, error) {
	if o.Numerics == "" {
		o.Numerics = Cybertron
	}
	own, err := servedConfig(served)
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
		if served, m.NewlyInitialized, err = withServedHead(served, m.Head().Config); err != nil {
			return nil, err
		}
	}
	if m.served, err = pairUp(m.Backbone, served); err != nil {
		return nil, err
	}
	m.served.share()
	m.Backbone.(cybertronHost).hosted()
	if m.NewlyInitialized {
		if err := m.drawHead(); err != nil {
			return nil, err
		}
	}
	return m, m.checkServed()
}

// drawHead draws the values of a new head: of its weights that are zero, for a pooler may be there.
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

// checkServed refuses values that are not finite, takes over the norms' constants and notes what is odd.
func (m *Model) checkServed() error {
	for _, t := range m.served.ties {
		if text, bad := notFinite(t.weight); bad {
			return errors.New(text)
		}
	}
	for _, n := range m.served.norms {
		if m.Options.Numerics == Cybertron {
			n.norm.Eps = float32(n.served.Eps.Value().Item().F64())
		}
	}
	for _, w := range m.served.tables {
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

// Cybertron is the Cybertron model that shares the host's memory, or nil where there is none.
func (m *Model) Cybertron() any {
	if m.served == nil {
		return nil
	}
	return m.served.served
}

// setKey is a JSON object with a key set.
func setKey(config []byte, key string, value any) ([]byte, error) {
	var all map[string]any
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	all[key] = value
	return json.MarshalIndent(all, "", "  ")
}
