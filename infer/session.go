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

// Embedded names the tiny base model that is part of the binary.
const Embedded = "embedded"

// AdapterName is the name that an opened or a trained adapter has on its model.
const AdapterName = "default"

// ModelDir is the folder of a model: the name itself, or for "embedded" a folder in the user's cache that the model in
// the binary is unpacked to.
func ModelDir(name string) (string, error) {
	if name == Embedded {
		return evaldata.Base()
	}
	return name, nil
}

// Session is a model that can be run, with its tokenizer.
type Session struct {
	Model *model.Model
	// Adapter is the name of the adapter that is applied; "" is the base alone.
	Adapter string
	// Attached is that adapter where Open has read it, else nil.
	Attached *adapter.Adapter
	// Setup says how the model was opened.
	Setup ModelSetup

	tok *tokenizer.Tokenizer
}

// NewSession is a session of a model that is loaded already, with the named adapter of it ("" is the base alone).
func NewSession(m *model.Model, tok *tokenizer.Tokenizer, adapterName string) *Session {
	return &Session{Model: m, Adapter: adapterName, tok: tok}
}

// Open reads a model by its folder's name or "embedded", and the adapter in another folder where that is not "". A head
// that the adapter was trained with is there again.
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
	host, err := ReadModelSetup(dir)
	if err == nil && adapterDir != "" {
		if err = folder.Wants(adapterDir, "adapter_config.json"); err == nil {
			host, err = ReadAdapterSetup(adapterDir)
		}
	}
	if err != nil {
		return nil, err
	}
	m, err := model.Load(ctx, dir, model.Options{Head: host.Config, Numerics: host.Numerics})
	if err != nil {
		return nil, err
	}
	s := &Session{Model: m, Setup: host}
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

// Close gives back the memory map of the model's weights.
func (s *Session) Close() error { return s.Model.Close() }

// Tokenizer is the tokenizer of the model's folder, which is read once.
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

// MatchTokenizer refuses a tokenizer, read from dir, with ids that the model does not know.
func MatchTokenizer(tok *tokenizer.Tokenizer, m *model.Model, dir string) error {
	if n, v := tok.VocabSize(), m.Config().VocabSize; n > v {
		return fmt.Errorf("the tokenizer in %s has %d tokens, the model %d", dir, n, v)
	}
	return nil
}

// StopTokens are the tokens that end a text: those of the model's folder, and the tokenizer's end of sequence.
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
