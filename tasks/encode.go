package tasks

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Tokenizer is what tasks need of a tokenizer; *tokenizer.Tokenizer is one.
type Tokenizer interface {
	// Encode turns text into ids. addSpecialTokens adds the tokens that the model expects around a whole text.
	Encode(text string, addSpecialTokens bool) []int32
	// Decode turns ids into text.
	Decode(ids []int32, skipSpecialTokens bool) string
	// EOS is the end-of-sequence token, if there is one.
	EOS() (id int32, ok bool)
}

// FullTokenizer is what tasks for other heads than a causal language model's need; *tokenizer.Tokenizer is one.
type FullTokenizer interface {
	Tokenizer
	// EncodePlus is Encode with the offsets and the types of the tokens. EncodePair takes two texts that belong
	// together.
	EncodePlus(text string, addSpecialTokens bool) tokenizer.Encoding
	EncodePair(first, second string, addSpecialTokens bool) tokenizer.Encoding
	// EncodeWords encodes a text that is given as words. The encoding has the number of each token's word.
	EncodeWords(words []string, addSpecialTokens bool) tokenizer.Encoding
	// VocabSize is the number of tokens.
	VocabSize() int
}

// BOSTokenizer is a tokenizer that may have a beginning-of-sequence token, which chat templates use.
type BOSTokenizer interface {
	BOS() (id int32, ok bool)
}

// MaskTokenizer is a tokenizer that may have a token that stands for one to be found.
type MaskTokenizer interface {
	Mask() (id int32, ok bool)
}

// TargetTokenizer is a tokenizer with another one for the language of the target, which may be the same.
type TargetTokenizer interface {
	Target() *tokenizer.Tokenizer
}

// Template renders conversations; *chat.Template is one.
type Template interface {
	Segments(messages []chat.Message, opts chat.Options) ([]chat.Segment, error)
}

var (
	_ FullTokenizer   = (*tokenizer.Tokenizer)(nil)
	_ BOSTokenizer    = (*tokenizer.Tokenizer)(nil)
	_ MaskTokenizer   = (*tokenizer.Tokenizer)(nil)
	_ TargetTokenizer = (*tokenizer.Tokenizer)(nil)
	_ Template        = (*chat.Template)(nil)
)

// Encode turns an example into token ids and labels: labels[i] is ids[i] where the token is scored, else
// head.IgnoreIndex.
//
// Segments are tokenised one by one. Only two kinds of special tokens are added: those that the tokenizer puts before
// every text, such as Llama's beginning of sequence (not for a conversation, whose template has its own), and the end
// of the sequence where a segment asks for it. A row longer than maxLen (0: any length) loses its end. If no scored
// token is left, the error is ErrNotScored. The first token may have a label, but a causal model is never scored on it,
// so it does not count.
func Encode(tok Tokenizer, template Template, ex Example, maxLen int) (ids, labels []int32, err error) {
	e := newEncoder(tok, template, maxLen)
	row, err := e.encode(ex)
	return row.IDs, row.Labels, err
}

// EncodePrompt returns the ids that generation continues: the example's Prompt, or its conversation before the last
// turn of the assistant.
func EncodePrompt(tok Tokenizer, template Template, ex Example) ([]int32, error) {
	e := newEncoder(tok, template, 0)
	if ex.Chat == nil {
		return append(slices.Clone(e.before), tok.Encode(ex.Prompt, false)...), nil
	}
	if i := lastAssistant(ex.Chat); i >= 0 {
		ex.Chat = ex.Chat[:i]
	}
	var err error
	if ex.Segments, err = e.render(ex, true); err != nil {
		return nil, err
	}
	row, err := e.join(ex, nil)
	return row.IDs, err
}

// encoder turns examples into rows for one model.
type encoder struct {
	tok      Tokenizer
	template Template
	maxLen   int
	// before are the special tokens that the tokenizer puts before a text.
	before []int32
	counts Counts
	// kind is the kind of the head that the rows are for. texts makes rows for other heads than a causal language
	// model's.
	kind  head.Kind
	texts *PairEncoder
}

func newEncoder(tok Tokenizer, template Template, maxLen int) *encoder {
	if chat, ok := template.(*chat.Template); ok && chat == nil {
		template = nil
	}
	return &encoder{tok: tok, template: template, maxLen: maxLen, before: before(tok)}
}

// before finds the special tokens that a tokenizer puts before every text.
func before(tok Tokenizer) []int32 {
	plain, full := tok.Encode("a", false), tok.Encode("a", true)
	for i := 0; len(plain) > 0 && i+len(plain) <= len(full); i++ {
		if slices.Equal(full[i:i+len(plain)], plain) {
			return full[:i:i]
		}
	}
	return nil
}

// encode makes a row of an example and counts it.
func (e *encoder) encode(ex Example) (Features, error) {
	lead := e.before
	if ex.Chat != nil {
		segments, err := e.render(ex, false)
		if err != nil {
			return Features{}, err
		}
		ex.Segments, lead = segments, nil
	}
	row, err := e.join(ex, lead)
	if err != nil {
		return Features{}, err
	}
	full := len(row.IDs)
	if e.maxLen > 0 && full > e.maxLen {
		row.IDs, row.Labels = row.IDs[:e.maxLen], row.Labels[:e.maxLen]
	}
	if row.Scored() == 0 {
		if len(row.IDs) < full {
			return Features{}, fmt.Errorf("%s: %w in the first %d of its %d tokens", ex.Source, ErrNotScored, e.maxLen, full)
		}
		return Features{}, fmt.Errorf("%s: %w", ex.Source, ErrNotScored)
	}
	e.counts.add(row, row.Scored(), len(row.IDs) < full)
	return row, nil
}

// join lays the segments of an example end to end, after the lead.
func (e *encoder) join(ex Example, lead []int32) (Features, error) {
	row := Features{Source: ex.Source}
	row.append(lead, false)
	for _, s := range ex.Segments {
		row.append(e.tok.Encode(s.Text, false), s.Scored)
		if !s.EOS {
			continue
		}
		id, ok := e.tok.EOS()
		if !ok {
			return Features{}, fmt.Errorf("%s: the text is to end in the end-of-sequence token, but the tokenizer has none (eos_token)", ex.Source)
		}
		row.append([]int32{id}, s.Scored)
	}
	return row, nil
}

// render is a conversation as the model's template writes it. With generate it ends where a turn of the assistant
// begins.
func (e *encoder) render(ex Example, generate bool) ([]Segment, error) {
	if e.template == nil {
		return nil, fmt.Errorf("%s: chat messages need a chat template, and the model has none (chat_template)", ex.Source)
	}
	opts := chat.Options{AddGenerationPrompt: generate, Tools: ex.Tools}
	if b, ok := e.tok.(BOSTokenizer); ok {
		opts.BOS = e.tokenText(b.BOS())
	}
	opts.EOS = e.tokenText(e.tok.EOS())
	parts, err := e.template.Segments(ex.Chat, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ex.Source, err)
	}
	var segments []Segment
	for _, p := range parts {
		segments = append(segments, Segment{Text: p.Text, Scored: p.Assistant})
	}
	return segments, nil
}

// tokenText is the text of a special token, "" where there is none.
func (e *encoder) tokenText(id int32, ok bool) string {
	if !ok {
		return ""
	}
	return e.tok.Decode([]int32{id}, false)
}
