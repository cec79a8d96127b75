package finetune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaldata"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
)

// Embedded names the tiny base model that is part of the binary.
const Embedded = "embedded"

// ModelDir is the folder of a model: the name itself, or for "embedded" a folder in the user's cache that the model in
// the binary is unpacked to.
func ModelDir(name string) (string, error) {
	if name == Embedded {
		return evaldata.Base()
	}
	return name, nil
}

// Session is a model that was read from a folder, with an adapter on it where one was named.
type Session struct {
	*model.Model
	// Adapter is the adapter's name in passes, or "".
	Adapter string
	// Attached is that adapter, or nil.
	Attached *adapter.Adapter

	host hostRecord
}

// Open reads a model by its folder's name or "embedded", and the adapter in another folder where that is not "". A head
// that the adapter was trained with is there again.
func Open(ctx context.Context, name, adapterDir string) (*Session, error) {
	dir, err := ModelDir(name)
	if err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	if adapterDir != "" {
		if err := wantFolder(adapterDir, "adapter_config.json"); err != nil {
			return nil, err
		}
	}
	record, err := readHost(dir)
	if err == nil && adapterDir != "" {
		record, err = adapterHost(adapterDir)
	}
	if err != nil {
		return nil, err
	}
	m, err := model.LoadAs(dir, model.Options{Head: record.Config, Numerics: record.Numerics})
	if err != nil {
		return nil, err
	}
	l := &Session{Model: m, host: record}
	if adapterDir == "" {
		return l, nil
	}
	if l.Attached, err = adapter.Load(ctx, m, adapterDir, AdapterName); err != nil {
		_ = m.Close()
		return nil, err
	}
	l.Adapter = AdapterName
	return l, nil
}

// Tokenizer reads the tokenizer of the model's folder and checks that the model knows its ids.
func (l *Session) Tokenizer() (*tokenizer.Tokenizer, error) {
	tok, err := tokenizer.Load(l.Dir)
	if err != nil {
		return nil, err
	}
	if n, v := tok.VocabSize(), l.Config().VocabSize; n > v {
		return nil, fmt.Errorf("finetune: the tokenizer in %s has %d tokens, the model %d", l.Dir, n, v)
	}
	return tok, nil
}

// stopTokens are those of the model's folder, and the tokenizer's end of sequence.
func (l *Session) stopTokens(tok *tokenizer.Tokenizer) ([]int32, error) {
	return stopTokens(l.Model, tok)
}

func stopTokens(m *model.Model, tok *tokenizer.Tokenizer) ([]int32, error) {
	stop, err := m.EOSTokenIDs()
	if err != nil {
		return nil, err
	}
	if eos, ok := tok.EOS(); ok && !slices.Contains(stop, eos) {
		stop = append(stop, eos)
	}
	return stop, nil
}

// wantFolder says in a line what is wrong with a folder that should hold a file.
func wantFolder(dir, file string) error {
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("%s: no such folder", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s: is a file; want the folder with %s", dir, file)
	}
	if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
		return fmt.Errorf("%s: has no %s", dir, file)
	}
	return nil
}
