package tokenizer

import (
	"fmt"
	"strings"
)

// prepareMarian lets texts begin with the code of a language.
func prepareMarian(_ *tokenizerConfig, opts *classOptions) { opts.language, opts.trim = true, true }

// buildMarian reads Marian's files: a SentencePiece model for each language, and vocab.json with the ids of both (or
// target_vocab.json, if each has its own).
func buildMarian(d folder, _ *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	source, err := d.marianSide("source.spm", "vocab.json", opts)
	if err != nil {
		return nil, err
	}
	vocabName := "vocab.json"
	if opts.SeparateVocabs {
		vocabName = "target_vocab.json"
	}
	if !opts.language && !d.has("target.spm") {
		return source, nil
	}
	source.target, err = d.marianSide("target.spm", vocabName, opts)
	return source, err
}

// marianSide makes the tokenizer of one language.
func (d folder) marianSide(name, vocabName string, opts *classOptions) (*Tokenizer, error) {
	v, err := d.readVocab(vocabName)
	if err != nil {
		return nil, err
	}
	t, err := d.spm(name, opts, func(f *spmFile) (*spmModel, error) { return newSPMModelWith(f, v) })
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", name, vocabName, err)
	}
	t.language = opts.language
	return t, nil
}

// splitLanguage takes the code of a language off the start of a text. It becomes a token: the unknown one if the
// vocabulary does not have it.
func (t *Tokenizer) splitLanguage(dst []piece, p piece) ([]piece, piece) {
	end := strings.Index(p.s, "<<")
	if !strings.HasPrefix(p.s, ">>") || end < 0 {
		return dst, p
	}
	end += len("<<")
	code := p.slice(0, end)
	id, ok := t.model.lookup().id(code.s)
	if !ok {
		id = t.model.unknown()
	}
	code.id = id
	return append(dst, code), p.slice(end, len(p.s))
}
