package infer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"testing/fstest"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// TokenizerFiles are the files of a tokenizer: those of a folder, some of which may be changed.
type TokenizerFiles struct {
	folder  fs.FS
	gguf    string // the file whose keys they are, or ""
	changed fstest.MapFS
	adapter bool // the adapter's folder has a part in them
}

// NewTokenizerFiles are the files of the tokenizer of a model with an adapter ("" is none). They are the adapter's if its
// folder has a vocabulary, else the model's. The chat template is the adapter's if its folder has one, else the model's.
func NewTokenizerFiles(modelDir, adapterDir string) *TokenizerFiles {
	f := &TokenizerFiles{folder: llamacpp.Files(modelDir), changed: fstest.MapFS{}}
	if llamacpp.IsFile(modelDir) && !hasVocabulary(adapterDir) {
		f.gguf = modelDir
	}
	if adapterDir == "" {
		return f
	}
	over := beside{input.DirFS(adapterDir), f.folder}
	_, err := fs.Stat(over.adapter, "chat_template.jinja")
	ownTemplate := err == nil || over.configured()
	f.adapter = ownTemplate || hasVocabulary(adapterDir)
	if !hasVocabulary(adapterDir) {
		f.folder = over
		return f
	}
	f.folder = over.adapter
	if ownTemplate {
		return f
	}
	if own, err := tokenizer.Load(modelDir); err == nil && own.ChatTemplate != "" {
		f.change("chat_template.jinja", []byte(own.ChatTemplate))
	}
	return f
}

// FromAdapter says whether the adapter's folder has a tokenizer or a chat template of its own.
func (f *TokenizerFiles) FromAdapter() bool { return f.adapter }

// Open opens a file.
func (f *TokenizerFiles) Open(name string) (fs.File, error) {
	if _, ok := f.changed[name]; ok {
		return f.changed.Open(name)
	}
	return f.folder.Open(name)
}

// Load reads the tokenizer.
func (f *TokenizerFiles) Load() (*tokenizer.Tokenizer, error) {
	tok, err := tokenizer.LoadFS(f)
	if err != nil && f.gguf != "" {
		err = fmt.Errorf("%s, whose keys tokenizer.ggml.* stand for tokenizer.json: %w", f.gguf, err)
	}
	return tok, err
}

// Write writes the files into a folder. Other files of a tokenizer that it has are removed.
func (f *TokenizerFiles) Write(dir string) error {
	for _, name := range model.TokenizerFiles() {
		if err := copyOver(filepath.Join(dir, name), f, name); err != nil {
			return err
		}
	}
	return nil
}

func (f *TokenizerFiles) change(name string, content []byte) {
	f.changed[name] = &fstest.MapFile{Data: content, Mode: 0o666}
}

// SetChatTemplate gives the tokenizer another chat template: one of chat.BuiltinNames, or that of a file. The special
// tokens of a builtin template that the vocabulary lacks are added at its end, and the token that ends its turns becomes
// eos_token. added are the ids of the new tokens.
func (f *TokenizerFiles) SetChatTemplate(name string) (added []int, err error) {
	template, ok := chat.BuiltinTemplate(name)
	if !ok {
		source, err := input.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%q is neither a file nor the name of a template%s", name, suggest.Hint(name, chat.BuiltinNames()))
		}
		if err != nil {
			return nil, err
		}
		template.Source = string(source)
	}
	if _, err := chat.ParseTemplate(template.Source); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	tok, err := f.Load()
	if err != nil {
		return nil, err
	}
	var tokens []newToken
	for _, token := range template.Tokens {
		if _, ok := tok.ID(token); ok {
			continue
		}
		id := tok.VocabSize() + len(added)
		added = append(added, id)
		tokens = append(tokens, newToken{ID: &id, Content: token, Special: true})
	}
	f.change("chat_template.jinja", []byte(template.Source))
	return added, f.configure(tokens, template.EndOfTurn)
}

// newToken is a token as tokenizer.json describes it, and, without its id, tokenizer_config.json.
type newToken struct {
	ID         *int   `json:"id,omitempty"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// configure adds tokens to tokenizer_config.json and tokenizer.json, makes eos ("" is none) the token that
// ends a text, and takes a chat template away that stands in the configuration.
func (f *TokenizerFiles) configure(tokens []newToken, eos string) error {
	err := f.edit("tokenizer_config.json", true, func(config map[string]json.RawMessage) error {
		delete(config, "chat_template")
		if len(tokens) == 0 {
			return nil
		}
		all := map[string]any{}
		if raw, ok := config["added_tokens_decoder"]; ok {
			if err := json.Unmarshal(raw, &all); err != nil {
				return fmt.Errorf("tokenizer_config.json: added_tokens_decoder: %w", err)
			}
		}
		for _, token := range tokens {
			id := strconv.Itoa(*token.ID)
			token.ID = nil
			all[id] = token
		}
		raw, err := marshal(all)
		config["added_tokens_decoder"] = raw
		return err
	})
	if err != nil {
		return err
	}
	if eos != "" {
		for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json"} {
			err := f.edit(name, false, func(config map[string]json.RawMessage) error {
				config["eos_token"], err = marshal(eos)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return f.addTokens(tokens)
}

// edit changes a JSON object. A file that is not there stays away, unless it is to be made.
func (f *TokenizerFiles) edit(name string, create bool, change func(map[string]json.RawMessage) error) error {
	object := map[string]json.RawMessage{}
	raw, err := fs.ReadFile(f, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !create:
		return nil
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(raw, &object); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := change(object); err != nil {
		return err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(object); err != nil {
		return err
	}
	f.change(name, b.Bytes())
	return nil
}

// addTokens puts tokens at the end of added_tokens in tokenizer.json. All else of the file stays as it is.
func (f *TokenizerFiles) addTokens(tokens []newToken) error {
	raw, err := fs.ReadFile(f, "tokenizer.json")
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(tokens) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("tokenizer.json: %w", err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("tokenizer.json: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("tokenizer.json: %w", err)
		}
		list := bytes.TrimSpace(value)
		if key != "added_tokens" || !bytes.HasSuffix(list, []byte("]")) {
			continue
		}
		end := int(d.InputOffset()) - 1 // of the bracket
		entries, err := marshal(tokens)
		if err != nil {
			return err
		}
		entries = entries[1 : len(entries)-1]
		if len(bytes.TrimSpace(list[1:len(list)-1])) > 0 {
			entries = slices.Concat([]byte(","), entries)
		}
		f.change("tokenizer.json", slices.Concat(raw[:end], entries, raw[end:]))
		return nil
	}
	return errors.New("tokenizer.json has no added_tokens")
}

// marshal is json.Marshal without escapes of < and >.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
