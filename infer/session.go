package infer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// Session is an open model with its tokenizer. Goroutines can share it once Tokenizer has been called.
type Session struct {
	Model *model.Model
	// Adapter is the name of the adapter that is applied. "" means the base alone.
	Adapter string
	// Attached is that adapter if Open has loaded it, otherwise nil.
	Attached *adapter.Adapter
	// BF16 rounds the factors of matrix products to bfloat16 in Loss, see op.Pass. All else is float32.
	BF16 bool
	// Ranks, if not nil, are the processes that have opened the same session. They share the work of Loss and of what package evaluate
	// does with the session, and get the results of one process. All of them make the same calls.
	Ranks Ranks
	// Setup says how the model was opened.
	Setup ModelSetup

	adapterDir string
	tok        *tokenizer.Tokenizer
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
	return openWith(ctx, dir, adapterDir, func(o model.Options) (*model.Model, error) { return model.Load(ctx, dir, o) })
}

// With returns a session of the same base with another adapter, or without one (""). It has a model of its own, which
// shares the weights of s but has the head, the numerics and the adapter of the folder. So calls of the two sessions may
// run at the same time, and either adapter may be merged or dropped. s must stay open for as long as the new session is
// used; Close of the new one releases nothing of s.
func (s *Session) With(ctx context.Context, adapterDir string) (*Session, error) {
	with, err := openWith(ctx, s.Model.Dir, adapterDir, func(o model.Options) (*model.Model, error) { return s.Model.Share(ctx, o) })
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	if !with.ownTokenizer() {
		with.tok = s.tok
	}
	return with, nil
}

// openWith opens a session with a model from the opener. dir is the model's folder.
func openWith(ctx context.Context, dir, adapterDir string, open Opener) (*Session, error) {
	setup, err := ReadModelSetup(dir)
	if err == nil && adapterDir != "" {
		if err = folder.Wants(adapterDir, "adapter_config.json"); err == nil {
			setup, err = ReadAdapterSetup(adapterDir)
		}
	}
	if err != nil {
		return nil, err
	}
	s := &Session{Setup: setup, adapterDir: adapterDir}
	return s, s.load(ctx, open, model.Options{Head: setup.Config, Numerics: setup.Numerics})
}

// load loads the model and its adapter. If the adapter has resized embeddings, the model gets as many tokens.
func (s *Session) load(ctx context.Context, open Opener, o model.Options) error {
	m, err := open(o)
	if err != nil {
		return err
	}
	if s.adapterDir != "" {
		s.Adapter = AdapterName
		s.Attached, err = adapter.Load(ctx, m, s.adapterDir, AdapterName)
		if err == nil && s.Attached.OtherBase {
			m.Warnings = append(m.Warnings, s.adapterDir+": "+s.Attached.BaseWarning())
		}
	}
	if err == nil {
		err = s.complete(m)
	}
	if err == nil {
		s.Model = m
		s.compareTokenizer()
		return nil
	}
	_ = m.Close()
	var bad *adapter.MismatchError
	if errors.As(err, &bad) && bad.VocabSize > 0 && o.VocabSize == 0 {
		o.VocabSize = bad.VocabSize
		return s.load(ctx, open, o)
	}
	return err
}

// compareTokenizer adds a warning to the model's if the adapter was trained with another tokenizer. A session without one has none to compare.
func (s *Session) compareTokenizer() {
	if s.Attached == nil || s.Attached.TokenizerFingerprint == "" {
		return
	}
	tok, err := s.Tokenizer()
	if err != nil {
		return // what needs the tokenizer says that
	}
	if w := s.Attached.TokenizerWarning(tok.Fingerprint()); w != "" {
		s.Model.Warnings = append(s.Model.Warnings, s.adapterDir+": "+w)
	}
}

// Lacks returns the names of the model's matrices that neither the model's folder nor the adapter (nil is none) has, whole or
// in some rows. They are random or zero. New biases and norms do not count: they are 0 and 1, as at the start of any training.
func Lacks(m *model.Model, a *adapter.Adapter) []string {
	var lacks []string
	m.Weights(func(w *model.Weight) {
		from, padded := m.PaddedRows[w.Name]
		if !padded && (len(w.Shape) == 1 || !slices.Contains(m.MissingKeys, w.Name)) {
			return
		}
		if t := w.Tied(); t != nil {
			w = t
		}
		if a == nil || !a.Brings(w, from) {
			lacks = append(lacks, w.Name)
		}
	})
	return lacks
}

// complete returns an error if there are weights that neither the model's folder nor the adapter has.
func (s *Session) complete(m *model.Model) error {
	lacks := Lacks(m, s.Attached)
	switch {
	case lacks == nil:
		return nil
	case s.Attached == nil:
		return fmt.Errorf("%s does not have %s; train the head that it is a part of first", m.Dir, strings.Join(lacks, ", "))
	}
	return fmt.Errorf("neither %s nor the adapter in %s has %s, which would be random: name the model that the adapter was trained on, or train it with modules_to_save",
		m.Dir, s.adapterDir, strings.Join(lacks, ", "))
}

// Close unmaps the model's weights.
func (s *Session) Close() error { return s.Model.Close() }

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
	return StopTokens(s.Model, tok)
}

// StopTokens returns the ids that end a text of a model with a tokenizer. See Session.StopTokens.
func StopTokens(m *model.Model, tok *tokenizer.Tokenizer) ([]int32, error) {
	stop, err := m.EOSTokenIDs()
	if err != nil {
		return nil, err
	}
	if eos, ok := tok.EOS(); ok && !slices.Contains(stop, eos) {
		stop = append(stop, eos)
	}
	return stop, nil
}
