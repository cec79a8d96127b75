package infer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
)

// Tokenizer is the session's tokenizer, which is read once: the adapter's where its folder has one, else the model's. The
// chat template is the adapter's where its folder has one, with either tokenizer, else the model's.
func (s *Session) Tokenizer() (*tokenizer.Tokenizer, error) {
	if s.tok != nil {
		return s.tok, nil
	}
	tok, err := s.readTokenizer()
	if err != nil {
		return nil, err
	}
	if err := MatchTokenizer(tok, s.Model, s.tokenizerDir()); err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	s.tok = tok
	return tok, nil
}

func (s *Session) readTokenizer() (*tokenizer.Tokenizer, error) {
	return NewTokenizerFiles(s.Model.Dir, s.adapterDir).Load()
}

// ownTokenizer reports whether the adapter's folder has a file of a tokenizer.
func (s *Session) ownTokenizer() bool {
	return s.adapterDir != "" && slices.ContainsFunc(model.TokenizerFiles(), func(name string) bool {
		_, err := os.Stat(filepath.Join(s.adapterDir, name))
		return err == nil
	})
}

// tokenizerDir is the folder that has the vocabulary.
func (s *Session) tokenizerDir() string {
	if hasVocabulary(s.adapterDir) {
		return s.adapterDir
	}
	return s.Model.Dir
}

func hasVocabulary(adapterDir string) bool {
	return adapterDir != "" && slices.ContainsFunc(model.Vocabularies(), func(name string) bool {
		_, err := os.Stat(filepath.Join(adapterDir, name))
		return err == nil
	})
}

// WriteTokenizer puts the session's tokenizer into a folder that has the model's already, such as a merged model's: it
// changes nothing where the adapter has no tokenizer and no chat template. A token that ends texts in the adapter's
// tokenizer alone goes into generation_config.json.
func (s *Session) WriteTokenizer(dir string) error {
	files := NewTokenizerFiles(s.Model.Dir, s.adapterDir)
	if !files.FromAdapter() {
		return nil
	}
	if err := files.Write(dir); err != nil || s.Model.Head().Kind != head.CausalLM {
		return err
	}
	stop, err := s.StopTokens()
	if errors.Is(err, tokenizer.ErrNoTokenizer) {
		return nil
	}
	if err != nil {
		return err
	}
	if own, err := s.Model.EOSTokenIDs(); err != nil || len(own) == len(stop) {
		return err
	}
	return WriteStopTokens(dir, stop)
}

// WriteStopTokens makes ids the tokens that end texts in a model folder's generation_config.json.
func WriteStopTokens(dir string, ids []int32) error {
	path, config := filepath.Join(dir, "generation_config.json"), map[string]any{}
	if raw, err := input.ReadFile(path); err == nil {
		if config, err = jsonvalue.Object(raw); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	config["eos_token_id"] = ids
	return folder.WriteJSON(path, config)
}

// copyOver puts the file of a name into the place of path, which is removed where there is none.
func copyOver(path string, from fs.FS, name string) error {
	content, err := fs.ReadFile(from, name)
	if err == nil {
		return folder.WriteFile(path, content)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// beside is a model's folder with the files of an adapter's folder over it that have a chat template.
type beside struct{ adapter, model fs.FS }

// Open opens chat_template.jinja, and tokenizer_config.json if it has a template, of the adapter's folder; all else is the
// model's. A template of the adapter's tokenizer_config.json hides the model's chat_template.jinja.
func (b beside) Open(name string) (fs.File, error) {
	configured := b.configured()
	own := []string{"chat_template.jinja"}
	if configured {
		own = append(own, "tokenizer_config.json")
	}
	if slices.Contains(own, name) {
		f, err := b.adapter.Open(name)
		if err == nil || configured || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return b.model.Open(name)
}

// configured says whether the adapter's tokenizer_config.json has a chat template.
func (b beside) configured() bool {
	raw, err := fs.ReadFile(b.adapter, "tokenizer_config.json")
	var c struct {
		ChatTemplate json.RawMessage `json:"chat_template"`
	}
	return err == nil && json.Unmarshal(raw, &c) == nil && !jsonvalue.IsNull(c.ChatTemplate)
}
