package tasks

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Tokenizer is what tasks need of a tokenizer; *tokenizer.Tokenizer is one.
type Tokenizer interface {
	// Encode turns text into ids. addSpecialTokens adds the tokens that the model expects around a whole text.
	Encode(text string, addSpecialTokens bool) []int32
	// EncodePlus is Encode with the offsets of the tokens, in characters, and with their types.
	EncodePlus(text string, addSpecialTokens bool) tokenizer.Encoding
	// Decode turns ids into text.
	Decode(ids []int32, skipSpecialTokens bool) string
	// EOS is the end-of-sequence token, if there is one.
	EOS() (id int32, ok bool)
}

// FullTokenizer is what tasks for other heads than a causal language model's need; *tokenizer.Tokenizer is one.
type FullTokenizer interface {
	Tokenizer
	// EncodePair encodes two texts that belong together.
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

// PartEncoder is a tokenizer that encodes a long text part by part: together the parts are what Encode returns without special tokens.
type PartEncoder interface {
	EncodeParts(text string) iter.Seq[[]int32]
}

// MaskTokenizer is a tokenizer that may have a token that stands for one to be found.
type MaskTokenizer interface {
	Mask() (id int32, ok bool)
}

// SpecialTokenizer is a tokenizer that tells special tokens from parts of texts.
type SpecialTokenizer interface {
	IsSpecial(id int32) bool
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
	_ FullTokenizer    = (*tokenizer.Tokenizer)(nil)
	_ BOSTokenizer     = (*tokenizer.Tokenizer)(nil)
	_ PartEncoder      = (*tokenizer.Tokenizer)(nil)
	_ MaskTokenizer    = (*tokenizer.Tokenizer)(nil)
	_ SpecialTokenizer = (*tokenizer.Tokenizer)(nil)
	_ TargetTokenizer  = (*tokenizer.Tokenizer)(nil)
	_ Template         = (*chat.Template)(nil)
)

// Encode turns an example into token ids and labels: labels[i] is ids[i] where the token is scored, else
// head.IgnoreIndex.
//
// The text of an example is tokenised once, as a whole, and a token is scored if any of it lies in a scored segment, or in
// what the assistant says. Only two kinds of special tokens are added: those that the tokenizer puts before every text,
// such as Llama's beginning of sequence (not for a conversation, whose template has its own), and the end of the sequence
// where a segment asks for it. Neither is added where the text has it already. A row longer than maxLen (0: any length)
// loses its end. If no scored token is left, the error is ErrNotScored. The first token may have a label, but a causal
// model is never scored on it, so it does not count.
func Encode(tok Tokenizer, template Template, ex Example, maxLen int) (ids, labels []int32, err error) {
	e := newEncoder(tok, template, maxLen)
	row, err := e.encode(ex)
	if stopped := tokenizerErr(tok); stopped != nil {
		return nil, nil, stopped
	}
	return row.IDs, row.Labels, err
}

// EncodePrompt returns the ids that generation continues: the example's Prompt, or its conversation before the last
// turn of the assistant.
func EncodePrompt(tok Tokenizer, template Template, ex Example) ([]int32, error) {
	e := newEncoder(tok, template, 0)
	if ex.Chat == nil {
		row, err := e.join(e.withoutEnds(append(slices.Clone(ex.earlier), Segment{Text: ex.Prompt})))
		return row.IDs, cmp.Or(err, tokenizerErr(tok))
	}
	if i := lastAssistant(ex.Chat); i >= 0 {
		ex.Chat = ex.Chat[:i]
	}
	parts, err := e.render(ex, true)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, p := range parts {
		text.WriteString(p.Text)
	}
	return tok.Encode(text.String(), false), tokenizerErr(tok)
}

// encoder turns examples into rows for one model.
type encoder struct {
	tok      Tokenizer
	template Template
	maxLen   int
	// before are the special tokens that the tokenizer puts before a text. bos and eos are the texts of the tokens that
	// begin and end a sequence, "" where there is none.
	before   []int32
	bos, eos string
	counts   Counts
	see      func(Example) // if not nil, it is called with each example of a split
	// toolsShown says that the template has shown the tools of a conversation.
	toolsShown bool
	// kind is the kind of the head that the rows are for. texts makes rows for other heads than a causal language
	// model's.
	kind  head.Kind
	texts *PairEncoder
	// task is the one whose examples are encoded; nil for a single example.
	task Task
}

func newEncoder(tok Tokenizer, template Template, maxLen int) *encoder {
	if chat, ok := template.(*chat.Template); ok && chat == nil {
		template = nil
	}
	e := &encoder{tok: tok, template: template, maxLen: maxLen, before: before(tok)}
	if b, ok := tok.(BOSTokenizer); ok {
		e.bos = e.tokenText(b.BOS())
	}
	e.eos = e.tokenText(tok.EOS())
	return e
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
	row, err := e.row(ex)
	if err != nil {
		return Features{}, err
	}
	row.Source = ex.Source
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

// tokenizerErr is the error of a tokenizer whose files take too much for a text (*tokenizer.Tokenizer.Err).
func tokenizerErr(tok Tokenizer) error {
	if t, ok := tok.(interface{ Err() error }); ok {
		return t.Err()
	}
	return nil
}

// stopped is why no more is encoded: a tokenizer that fails has no tokens for a text, for which the data are not to blame, and the reading
// of the data may be ended.
func (e *encoder) stopped() error { return cmp.Or(tokenizerErr(e.tok), interrupted(e.task)) }

// row makes the whole row of an example.
func (e *encoder) row(ex Example) (Features, error) {
	e.noteUnused(ex.Source, ex.Unused...)
	if ex.Chat != nil {
		return e.conversation(ex)
	}
	segments := e.withoutEnds(ex.Segments)
	row, err := e.join(segments)
	if err != nil {
		return Features{}, fmt.Errorf("%s: %w", ex.Source, err)
	}
	if slices.ContainsFunc(ex.Segments, func(s Segment) bool { return s.Scored && s.EOS && strings.TrimSpace(s.Text) == "" }) {
		e.remark(ex.Source, emptyAnswer)
	}
	if !slices.Equal(segments, ex.Segments) {
		e.remark(ex.Source, doubleToken)
	}
	return row, nil
}

// join tokenises segments, which withoutEnds returns, as one text, after the tokens that begin every text. A segment that asks for the end of the sequence has it, also where
// others follow.
func (e *encoder) join(segments []Segment) (Features, error) {
	var text strings.Builder
	var scored [][2]int // ranges of characters
	at := 0
	for i, s := range segments {
		piece := s.Text
		if s.EOS && e.eos == "" {
			return Features{}, errors.New("the text is to end in the end-of-sequence token, but the tokenizer has none (eos_token)")
		}
		if s.EOS && i+1 < len(segments) {
			piece += e.eos
		}
		text.WriteString(piece)
		n := utf8.RuneCountInString(piece)
		if s.Scored {
			scored = append(scored, [2]int{at, at + n})
		}
		at += n
	}
	row := Features{}
	row.append(e.before, false)
	e.appendText(&row, text.String(), scored, at)
	if n := len(segments); n > 0 && segments[n-1].EOS {
		id, _ := e.tok.EOS()
		row.append([]int32{id}, segments[n-1].Scored)
	}
	return row, nil
}

// withoutEnds takes away what would stand twice: the token that begins a sequence from the start of the text and of its
// scored parts, if every text begins with it anyway, and the token that ends one from the end of each part to which it is added.
func (e *encoder) withoutEnds(segments []Segment) []Segment {
	segments = slices.Clone(segments)
	for i := range segments {
		s := &segments[i]
		if len(e.before) > 0 && (i == 0 || s.Scored) {
			s.Text = trimStarts(s.Text, e.bos)
		}
		if s.EOS {
			s.Text = trimEnds(s.Text, e.eos)
		}
	}
	return segments
}

// trimStarts takes a token off the start of a text, with white space before it.
func trimStarts(text, token string) string {
	for {
		rest := strings.TrimLeft(text, " \t\r\n")
		if token == "" || !strings.HasPrefix(rest, token) {
			return text
		}
		text = strings.TrimPrefix(rest, token)
	}
}

// trimEnds takes a token off the end of a text, with white space after it.
func trimEnds(text, token string) string {
	for {
		rest := strings.TrimRight(text, " \t\r\n")
		if token == "" || !strings.HasSuffix(rest, token) {
			return text
		}
		text = strings.TrimSuffix(rest, token)
	}
}

// appendText appends the tokens of a text of n characters. A token is scored if any of it lies in a scored range.
func (e *encoder) appendText(row *Features, text string, scored [][2]int, n int) {
	if len(scored) == 0 || len(scored) == 1 && scored[0] == [2]int{0, n} {
		row.append(e.tok.Encode(text, false), len(scored) > 0)
		return
	}
	enc := e.tok.EncodePlus(text, false)
	for i, in := range overlaps(enc.Offsets, scored) {
		row.append(enc.IDs[i:i+1], in)
	}
}

// overlaps says which tokens lie in one of some ranges, at least in part. Tokens and ranges are in the order of the text.
func overlaps(tokens, ranges [][2]int) []bool {
	in, r := make([]bool, len(tokens)), 0
	for i, t := range tokens {
		for r < len(ranges) && t[0] >= ranges[r][1] {
			r++
		}
		in[i] = r < len(ranges) && t[1] > ranges[r][0]
	}
	return in
}

// tokenText is the text of a special token, "" where there is none.
func (e *encoder) tokenText(id int32, ok bool) string {
	if !ok {
		return ""
	}
	return e.tok.Decode([]int32{id}, false)
}
