package infer

import (
	"context"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaldata"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
)

// Embedded is the name of the tiny base model that is embedded in the binary.
const Embedded = "embedded"

// AdapterName is the name that an adapter has on its model when it is opened or trained.
const AdapterName = "default"

// ModelDir returns the folder of a model: the name itself, or for "embedded" a folder in the user's cache, into which
// the model in the binary is unpacked.
func ModelDir(name string) (string, error) {
	if name == Embedded {
		return evaldata.Base()
	}
	return name, nil
}

// Session is an open model with its tokenizer.
type Session struct {
	Model *model.Model
	// Adapter is the name of the adapter that is applied. "" means the base alone.
	Adapter string
	// Attached is that adapter if Open has loaded it, otherwise nil.
	Attached *adapter.Adapter
	// Setup says how the model was opened.
	Setup ModelSetup

	tok *tokenizer.Tokenizer
}

// NewSession returns a session of a model that is loaded already. adapterName names an adapter on it; "" means the base
// alone. tok may be nil; it is then loaded from the model's folder when it is needed.
func NewSession(m *model.Model, tok *tokenizer.Tokenizer, adapterName string) *Session {
	return &Session{Model: m, Adapter: adapterName, tok: tok}
}

// Open loads a model, by its folder or as "embedded", and the adapter in the folder adapterDir unless that is "". If
// the adapter was trained with a new head, the model gets that head.
func Open(ctx context.Context, name, adapterDir string) (*Session, error) {
	s, err := open(ctx, name, adapterDir)
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, name, adapterDir string) (*Session, error) {
	dir, err := ModelDir(name)
	if err != nil {
		return nil, err
	}
	setup, err := ReadModelSetup(dir)
	if err == nil && adapterDir != "" {
		if err = folder.Wants(adapterDir, "adapter_config.json"); err == nil {
			setup, err = ReadAdapterSetup(adapterDir)
		}
	}
	if err != nil {
		return nil, err
	}
	m, err := model.Load(ctx, dir, model.Options{Head: setup.Config, Numerics: setup.Numerics})
	if err != nil {
		return nil, err
	}
	s := &Session{Model: m, Setup: setup}
	if adapterDir == "" {
		return s, nil
	}
	if s.Attached, err = adapter.Load(ctx, m, adapterDir, AdapterName); err != nil {
		_ = m.Close()
		return nil, err
	}
	s.Adapter = AdapterName
	return s, nil
}

// Close unmaps the model's weights.
func (s *Session) Close() error { return s.Model.Close() }

// Tokenizer returns the session's tokenizer. It is loaded from the model's folder once.
func (s *Session) Tokenizer() (*tokenizer.Tokenizer, error) {
	if s.tok != nil {
		return s.tok, nil
	}
	tok, err := tokenizer.Load(s.Model.Dir)
	if err != nil {
		return nil, err
	}
	if err := MatchTokenizer(tok, s.Model, s.Model.Dir); err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	s.tok = tok
	return tok, nil
}

// MatchTokenizer returns an error if a tokenizer, loaded from dir, has more tokens than the model.
func MatchTokenizer(tok *tokenizer.Tokenizer, m *model.Model, dir string) error {
	if n, v := tok.VocabSize(), m.Config().VocabSize; n > v {
		return fmt.Errorf("the tokenizer in %s has %d tokens, the model %d", dir, n, v)
	}
	return nil
}

// StopTokens returns the ids that end a text: those of the model's generation_config.json, and the tokenizer's end of
// sequence.
func (s *Session) StopTokens() ([]int32, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	stop, err := s.Model.EOSTokenIDs()
	if err != nil {
		return nil, err
	}
	if eos, ok := tok.EOS(); ok && !slices.Contains(stop, eos) {
		stop = append(stop, eos)
	}
	return stop, nil
}
