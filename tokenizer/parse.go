package tokenizer

import (
	"encoding/json"
	"fmt"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// tokenizerFile has the sections of tokenizer.json.
type tokenizerFile struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   json.RawMessage `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

// Parse makes a tokenizer from the content of a tokenizer.json and of a tokenizer_config.json, which may be nil.
func Parse(tokenizerJSON, config []byte) (*Tokenizer, error) {
	t, err := parse(tokenizerJSON, config, nil)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func parse(tokenizerJSON, config, specialMap []byte) (*Tokenizer, error) {
	c, err := readConfig(config, specialMap)
	if err != nil {
		return nil, err
	}
	return parseFile(tokenizerJSON, c)
}

// parseFile makes a tokenizer from the content of a tokenizer.json.
func parseFile(tokenizerJSON []byte, c *tokenizerConfig) (*Tokenizer, error) {
	var f tokenizerFile
	if err := decodeObject(tokenizerJSON, "tokenizer.json", &f, "model"); err != nil {
		return nil, err
	}
	if f.Version != "" && f.Version != "1.0" {
		return nil, fmt.Errorf("tokenizer.json: version %q is %w, want \"1.0\"", f.Version, ErrUnsupported)
	}
	t := &Tokenizer{failed: new(failure)}
	if err := t.parseParts(&f); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if err := t.configure(c); err != nil {
		return nil, err
	}
	if err := t.indexAdded(); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

// indexAdded normalizes the added tokens, and makes them known.
func (t *Tokenizer) indexAdded() error {
	index := func() error {
		defer t.failed.guard()
		return t.added.index(t.normalizer)
	}
	if err := index(); err != nil {
		return err
	}
	return t.Err()
}

// parseParts reads the sections of tokenizer.json.
func (t *Tokenizer) parseParts(f *tokenizerFile) (err error) {
	for name, raw := range map[string]json.RawMessage{"truncation": f.Truncation, "padding": f.Padding} {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil && !jsonvalue.IsNull(raw) {
			return fmt.Errorf("%s: want an object: %w", name, err)
		}
	}
	if !jsonvalue.IsNull(f.Normalizer) {
		if t.normalizer, err = normalizers.build(f.Normalizer, "normalizer"); err != nil {
			return err
		}
	}
	if !jsonvalue.IsNull(f.PreTokenizer) {
		if t.preTokenizers, err = preTokenizers.build(f.PreTokenizer, "pre_tokenizer"); err != nil {
			return err
		}
	}
	if t.model, err = parseModel(f.Model, t.traits()); err != nil {
		return err
	}
	if t.added, err = parseAdded(f.AddedTokens, t.model.lookup()); err != nil {
		return err
	}
	return t.parseOutput(f)
}

// parseOutput reads the sections of tokenizer.json for what comes after the model.
func (t *Tokenizer) parseOutput(f *tokenizerFile) (err error) {
	if !jsonvalue.IsNull(f.PostProcessor) {
		if err = t.post.parse(f.PostProcessor, "post_processor"); err != nil {
			return err
		}
		if err = t.checkTemplate("post_processor"); err != nil {
			return err
		}
	}
	if jsonvalue.IsNull(f.Decoder) {
		return nil
	}
	t.decoder, err = decoders.build(f.Decoder, "decoder")
	t.byteFallback = hasByteFallback(t.decoder)
	return err
}

// traits finds out from the pre-tokenizers what other parts must know.
func (t *Tokenizer) traits() modelTraits {
	var traits modelTraits
	for i, pt := range t.preTokenizers {
		if _, ok := pt.(byteLevelSplit); ok {
			traits.byteLevel = true
		}
		if m, ok := pt.(metaspaceSplit); ok && m.scheme == "first" && (i > 0 || t.normalizer != nil) {
			t.trackAlways = true
		}
	}
	return traits
}

// checkTemplate makes sure that the post-processor's tokens exist.
func (t *Tokenizer) checkTemplate(where string) error {
	if t.post.template == nil {
		return nil
	}
	for _, parts := range [][]templatePart{t.post.template.single, t.post.template.pair} {
		for _, p := range parts {
			for i, id := range p.ids {
				if _, ok := t.Token(id); !ok {
					return fmt.Errorf("%s: special token %q has id %d, which no token has", where, p.tokens[i], id)
				}
			}
		}
	}
	return nil
}

func hasByteFallback(d decoder) bool {
	if list, ok := d.(decoderList); ok {
		for _, d := range list {
			if hasByteFallback(d) {
				return true
			}
		}
	}
	_, ok := d.(byteFallbackDecoder)
	return ok
}
