package tokenizer

// Tokenizer turns text into ids and back. It is made by Load or Parse and safe for concurrent use.
type Tokenizer struct {
	// ChatTemplate is the Jinja template of the model's chat format, "" if it has none.
	ChatTemplate string
	// ChatTemplates are the named templates of models that have several, "default" among them.
	ChatTemplates map[string]string

	added         *addedVocab
	normalizer    normalizer // or nil
	preTokenizers []preTokenizer
	model         model
	post          postProcessor
	decoder       decoder // or nil
	byteFallback  bool    // the decoder reads runs of byte tokens
	trackAlways   bool    // a part needs to know where in the text a piece starts
	cleanUp       bool    // clean_up_tokenization_spaces
	named         map[string]int32
	language      bool       // a text may begin with a language's code, >>xx<<
	target        *Tokenizer // of the language translated to, where it is another
}

// Token is the token of an id.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if a := t.added.byID[id]; a != nil {
		return *a.Content, true
	}
	return t.model.lookup().token(id)
}

// ID is the id of a token.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	return t.model.lookup().id(token)
}

// VocabSize is the number of tokens, added ones included. Where ids have holes, the largest id is larger.
func (t *Tokenizer) VocabSize() int { return t.model.lookup().size() + t.added.fresh }

// BOS is the id of the token that begins a text, if the model's files name one.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.namedID("bos_token") }

// EOS is the id of the token that ends a text, if the model's files name one.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.namedID("eos_token") }

// Pad is the id of the padding token, if the model's files name one.
func (t *Tokenizer) Pad() (id int32, ok bool) { return t.namedID("pad_token") }

// CLS is the id of the token that classifiers look at, if the model's files name one.
func (t *Tokenizer) CLS() (id int32, ok bool) { return t.namedID("cls_token") }

// SEP is the id of the token between and after texts, if the model's files name one.
func (t *Tokenizer) SEP() (id int32, ok bool) { return t.namedID("sep_token") }

// Mask is the id of the token that stands for a hidden one, if the model's files name one.
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

// IsSpecial says whether id is a special token, which Decode leaves out when asked to, rather than a part of a text.
func (t *Tokenizer) IsSpecial(id int32) bool {
	token, ok := t.Token(id)
	if d, isSPM := t.decoder.(*spmDecoder); isSPM && d.kinds[token] == controlPiece {
		return ok
	}
	return ok && t.added.special[token]
}

// Target is the tokenizer for the language that a translation model writes. All other models have one tokenizer for
// both sides.
func (t *Tokenizer) Target() *Tokenizer {
	if t.target != nil {
		return t.target
	}
	return t
}
