package tokenizer

import "time"

// Tokenizer turns text into ids and back. Load, LoadFS, Parse and Train make one. It does not change, so goroutines can
// share it.
type Tokenizer struct {
	// ChatTemplate is the Jinja template of the model's chat format, "" if it has none. Package tokenizer/chat renders
	// it.
	ChatTemplate string
	// ChatTemplates are the named templates of a model that has several. One of them is "default".
	ChatTemplates map[string]string
	// Now is the time that strftime_now tells a chat template; zero is the time at which the template is rendered.
	Now time.Time

	added         *addedVocab
	normalizer    normalizer // or nil
	preTokenizers []preTokenizer
	model         model
	post          postProcessor
	decoder       decoder // or nil
	byteFallback  bool    // the decoder reads runs of byte tokens
	trackAlways   bool    // a part needs to know where in the text a piece begins
	cleanUp       bool    // clean_up_tokenization_spaces, which does nothing to BPE
	named         map[string]int32
	language      bool // a text may begin with the code of a language, >>xx<<
	failed        *failure
	target        *Tokenizer // for the language that is translated to, if it has one of its own
}

// MarksContinuations says whether tokens inside of a word begin with a mark, as WordPiece's ## is.
func (t *Tokenizer) MarksContinuations() bool {
	switch m := t.model.(type) {
	case *wordPiece:
		return true
	case *bpe:
		return m.prefix != ""
	}
	return false
}

// Token returns the token of an id.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if a := t.added.byID[id]; a != nil {
		return *a.Content, true
	}
	return t.model.lookup().token(id)
}

// ID returns the id of a token.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	return t.model.lookup().id(token)
}

// VocabSize is the number of tokens, added ones included. If ids have holes, the largest id is larger than this.
func (t *Tokenizer) VocabSize() int { return t.model.lookup().size() + t.added.fresh }

// BOS is the id of the token that begins a text, if the model's files name one.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.namedID("bos_token") }

// EOS is the id of the token that ends a text, if the model's files name one.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.namedID("eos_token") }

// Pad is the id of the padding token, if the model's files name one.
func (t *Tokenizer) Pad() (id int32, ok bool) { return t.namedID("pad_token") }

// CLS is the id of the token whose output classifiers use, if the model's files name one.
func (t *Tokenizer) CLS() (id int32, ok bool) { return t.namedID("cls_token") }

// SEP is the id of the token between and after texts, if the model's files name one.
func (t *Tokenizer) SEP() (id int32, ok bool) { return t.namedID("sep_token") }

// Mask is the id of the token that stands for a word to be guessed, if the model's files name one.
func (t *Tokenizer) Mask() (id int32, ok bool) { return t.namedID("mask_token") }

// Unk is the id of the unknown token, if the model has one.
func (t *Tokenizer) Unk() (id int32, ok bool) {
	if id, ok := t.namedID("unk_token"); ok {
		return id, true
	}
	id = t.model.unknown()
	return id, id >= 0
}

func (t *Tokenizer) namedID(name string) (int32, bool) {
	id, ok := t.named[name]
	return id, ok
}

// isBPE says whether the model is byte-pair encoding, in a tokenizer.json or in SentencePiece's form.
func (t *Tokenizer) isBPE() bool {
	switch m := t.model.(type) {
	case *bpe:
		return true
	case *spmModel:
		_, ok := m.cutter.(*spmBPE)
		return ok
	}
	return false
}

// IsSpecial says whether id is a special token, not a part of a text. Decode leaves special tokens out if asked to.
func (t *Tokenizer) IsSpecial(id int32) bool {
	token, ok := t.Token(id)
	if d, isSPM := t.decoder.(*spmDecoder); isSPM && d.kinds[token] == controlPiece {
		return ok
	}
	return ok && t.added.special[token]
}

// Target is the tokenizer for the language that a translation model writes. Models of other kinds have one tokenizer
// for both sides, and Target returns t.
func (t *Tokenizer) Target() *Tokenizer {
	if t.target != nil {
		return t.target
	}
	return t
}
