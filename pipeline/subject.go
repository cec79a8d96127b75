package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// subject is what answers a call: a model with its head and tokenizer, and the adapter on it that is applied.
type subject struct {
	*model.Model
	tok     *tokenizer.Tokenizer
	adapter string // "" is the base alone
	// noAnswer says that a question may have no answer in the passage.
	noAnswer bool

	once *onceValues
}

// onceValues are what a task computes of a model and its tokenizer once.
type onceValues struct {
	generation func() (model.GenerationConfig, error)
	pairs      func() *tasks.PairEncoder
}

// newSubject returns the subject for a model and its tokenizer, without an adapter.
func newSubject(m *model.Model, tok *tokenizer.Tokenizer) (*subject, error) {
	switch {
	case m == nil || m.Backbone == nil:
		return nil, errors.New("there is no model")
	case tok == nil:
		return nil, errors.New("there is no tokenizer")
	case tok.VocabSize() > m.Config().VocabSize:
		return nil, fmt.Errorf("the tokenizer has %d tokens, the model %d: it belongs to another model", tok.VocabSize(), m.Config().VocabSize)
	}
	return &subject{Model: m, tok: tok, once: &onceValues{
		generation: sync.OnceValues(m.GenerationConfig),
		pairs:      sync.OnceValue(func() *tasks.PairEncoder { return tasks.NewPairEncoder(tok, m.MaxLength()) }),
	}}, nil
}

// fitsTask returns an error unless the subject's head is of one of the kinds and has been trained.
func (s *subject) fitsTask(kinds []head.Kind) error {
	if k := s.Head().Kind; !slices.Contains(kinds, k) {
		return fmt.Errorf("the model's head is for %s; want one for %v", k, kinds)
	}
	names := strings.Join(s.Untrained(s.adapter), ", ")
	switch {
	case names == "":
		return nil
	case s.adapter == "":
		return fmt.Errorf("%w: %s does not have %s; name an adapter that does (Options.Adapter, WithAdapter)", ErrUntrainedHead, s.Dir, names)
	}
	return fmt.Errorf("%w: neither %s nor the adapter %q has %s", ErrUntrainedHead, s.Dir, s.adapter, names)
}

// ErrUntrainedHead is the error of a call whose model has a new head that no training has reached, such as one that names
// no adapter where the head belongs to an adapter.
var ErrUntrainedHead = errors.New("the model's head is not trained")

// source finds the subject for the name of an adapter; "" is the base alone.
type source interface {
	subject(adapter string) (*subject, error)
}

// single is a source with one model, on which all adapters are.
type single struct {
	base    *subject
	linears []*model.Linear
	weights []*model.Weight
}

var _ source = (*single)(nil)

func newSingle(base *subject) *single {
	s := &single{base: base}
	base.Linears(func(l *model.Linear) { s.linears = append(s.linears, l) })
	base.Weights(func(w *model.Weight) { s.weights = append(s.weights, w) })
	return s
}

func (s *single) subject(adapter string) (*subject, error) {
	if adapter != "" && !slices.ContainsFunc(s.linears, func(l *model.Linear) bool { return l.Adapter(adapter) != nil }) &&
		!slices.ContainsFunc(s.weights, func(w *model.Weight) bool { return w.Override(adapter) != nil }) {
		return nil, fmt.Errorf("the model has no adapter %q", adapter)
	}
	one := *s.base
	one.adapter = adapter
	return &one, nil
}
