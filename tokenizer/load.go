package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/lfs"
)

// Load reads the tokenizer of a model's folder. Where there is a tokenizer.json, that is it. Otherwise the class that
// tokenizer_config.json names (or the model_type of config.json, or the files alone) says what is read:
//
//	vocab.txt                                      BERT's and MPNet's WordPiece
//	vocab.json, merges.txt                         BART's, RoBERTa's and GPT-2's byte-level BPE
//	spiece.model, tokenizer.model,
//	sentencepiece.bpe.model, spm.model             SentencePiece, Unigram or BPE
//	sentencepiece.bpe.model, vocab.json            M2M-100: SentencePiece with ids of its own, and languages
//	tekken.json                                    Mistral's byte-level BPE, by ranks
//	tokenizer.model, NAME.tiktoken                 tiktoken's byte-level BPE, by ranks: Llama 3, Qwen, gpt-oss, cl100k
//	source.spm, target.spm, vocab.json             Marian: SentencePiece with a vocabulary of its own
//
// Load also reads tokenizer_config.json, special_tokens_map.json, added_tokens.json and chat_template.jinja, where they
// exist. A SentencePiece model alone, without these, is used as it is: it has no special tokens to add, and control
// pieces are not found in texts.
//
// Or it reads the tokenizer of a GGUF file, NAME.gguf.
func Load(dir string) (*Tokenizer, error) {
	t, err := folder{llamacpp.Files(cmp.Or(dir, "."))}.load()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: load %s: %w", dir, err)
	}
	return t, nil
}

// LoadFS loads the tokenizer of a folder in any file system, such as an embed.FS. See Load.
func LoadFS(fsys fs.FS) (*Tokenizer, error) {
	t, err := folder{fsys}.load()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: load: %w", err)
	}
	return t, nil
}

// folder is the folder of a model.
type folder struct{ fs.FS }

func (d folder) has(name string) bool {
	_, err := fs.Stat(d, name)
	return err == nil
}

func (d folder) read(name string) ([]byte, error) {
	raw, err := fs.ReadFile(d, name)
	if err != nil {
		return nil, err
	}
	if err := lfs.Check(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return raw, nil
}

// readVocab reads a file with the ids of tokens.
func (d folder) readVocab(name string) (*vocab, error) {
	raw, err := d.read(name)
	if err != nil {
		return nil, err
	}
	var v vocab
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &v, nil
}

// optional reads a file. It returns nil if there is none.
func (d folder) optional(name string) ([]byte, error) {
	raw, err := d.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}

func (d folder) load() (*Tokenizer, error) {
	files := map[string][]byte{}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"} {
		raw, err := d.optional(name)
		if err != nil {
			return nil, err
		}
		files[name] = raw
	}
	c, err := readConfig(files["tokenizer_config.json"], files["special_tokens_map.json"])
	if err != nil {
		return nil, err
	}
	var t *Tokenizer
	if raw := files["tokenizer.json"]; raw != nil {
		t, err = parseFile(raw, c)
		if err == nil {
			err = t.setLanguages(c, files["tokenizer_config.json"])
		}
	} else {
		t, err = d.build(c, files)
	}
	if err != nil {
		return nil, err
	}
	if text := files["chat_template.jinja"]; text != nil {
		t.setChatTemplate("default", string(text))
	}
	return t, nil
}

// build makes a tokenizer from files other than tokenizer.json.
func (d folder) build(c *tokenizerConfig, files map[string][]byte) (*Tokenizer, error) {
	opts := classOptions{}
	if raw := files["tokenizer_config.json"]; raw != nil {
		if err := json.Unmarshal(raw, &opts); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	if err := c.addOldTokens(files["added_tokens.json"]); err != nil {
		return nil, fmt.Errorf("added_tokens.json: %w", err)
	}
	class, err := d.class(c)
	if err != nil {
		return nil, err
	}
	class.setDefaults(c, &opts)
	t, err := class.build(d, c, &opts)
	if err != nil {
		return nil, err
	}
	for side := t; side != nil; side = side.target {
		if err := side.finish(class, c); err != nil {
			return nil, err
		}
	}
	return t, t.withTarget(class, c)
}

// finish adds the special tokens, and what the class puts around texts.
func (t *Tokenizer) finish(class *tokenClass, c *tokenizerConfig) error {
	t.added, t.failed = newAddedVocab(), new(failure)
	if err := t.configure(c); err != nil {
		return err
	}
	if err := t.setTemplate(class, c); err != nil {
		return err
	}
	if _, ok := t.model.(*spmModel); ok {
		for _, a := range t.added.byID {
			a.Normalized = false // the normalizer is for the text between tokens
		}
	}
	return t.indexAdded()
}

// addOldTokens reads added_tokens.json, the older form of added_tokens_decoder.
func (c *tokenizerConfig) addOldTokens(raw []byte) error {
	if raw == nil || len(c.Decoder) > 0 {
		return nil
	}
	var ids map[string]int64
	if err := json.Unmarshal(raw, &ids); err != nil {
		return fmt.Errorf("want an object of token: id: %w", err)
	}
	c.Decoder = map[string]json.RawMessage{}
	for _, content := range slices.Sorted(maps.Keys(ids)) {
		entry, err := json.Marshal(map[string]string{"content": content})
		if err != nil {
			return err
		}
		c.Decoder[fmt.Sprint(ids[content])] = entry
	}
	return nil
}

// class finds out what kind of tokenizer the folder has.
func (d folder) class(c *tokenizerConfig) (*tokenClass, error) {
	if name, err := d.ranksFile(); err != nil || name != "" {
		return ranksClass(name), err
	}
	name := strings.TrimSuffix(c.Class, "Fast")
	if name != "" && name != "PreTrainedTokenizer" && name != "TokenizersBackend" {
		if class := tokenClasses[name]; class != nil {
			return class, nil
		}
		return nil, fmt.Errorf("tokenizer_class %q wants a tokenizer.json; without one it is %w, known classes are %s",
			c.Class, ErrUnsupported, strings.Join(slices.Sorted(maps.Keys(tokenClasses)), ", "))
	}
	raw, err := d.optional("config.json")
	if err != nil {
		return nil, err
	}
	var config struct {
		ModelType string `json:"model_type"`
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &config); err != nil {
			return nil, fmt.Errorf("config.json: %w", err)
		}
	}
	if name := modelClasses[config.ModelType]; name != "" {
		return tokenClasses[name], nil
	}
	if config.ModelType != "" {
		return nil, fmt.Errorf("model_type %q wants a tokenizer.json or a tokenizer_class in tokenizer_config.json; without one it is %w, known types are %s",
			config.ModelType, ErrUnsupported, strings.Join(slices.Sorted(maps.Keys(modelClasses)), ", "))
	}
	return d.classByFiles(raw != nil || d.has("tokenizer_config.json"))
}

// classByFiles guesses the class from the files that are there.
func (d folder) classByFiles(configured bool) (*tokenClass, error) {
	switch {
	case d.has("source.spm") && (configured || d.has("target.spm")):
		return tokenClasses["MarianTokenizer"], nil
	case d.has("source.spm"):
		return &tokenClass{build: buildMarian}, nil
	case d.has("vocab.txt"):
		return tokenClasses["BertTokenizer"], nil
	case d.has(debertaName):
		return tokenClasses["DebertaV2Tokenizer"], nil
	case d.has("vocab.json") && d.has(m2m100Name):
		return tokenClasses["M2M100Tokenizer"], nil
	case d.has("vocab.json"):
		v, err := d.readVocab("vocab.json")
		if err != nil {
			return nil, err
		}
		if _, ok := v.id("</s>"); ok {
			return tokenClasses["RobertaTokenizer"], nil
		}
		return tokenClasses["GPT2Tokenizer"], nil
	}
	for _, name := range spmNames {
		if d.has(name) {
			return &tokenClass{build: buildSPM}, nil
		}
	}
	return nil, fmt.Errorf("%w: want tokenizer.json, tekken.json, vocab.txt, vocab.json with merges.txt, source.spm with vocab.json, or one of %s",
		ErrNoTokenizer, strings.Join(append(spmNames, debertaName), ", "))
}
