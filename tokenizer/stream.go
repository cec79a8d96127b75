package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Stream decodes the ids of one text as they are generated. The parts that it returns add up to Decode of all ids. Each
// is valid UTF-8, and is returned as soon as no later id can change it. The time for a text is linear in its length. A
// decoder that replaces in the whole text at its end, which is rare, lets nothing be returned before Flush.
//
// A Stream is for one goroutine; several Streams may share a Tokenizer.
type Stream struct {
	t                 *Tokenizer
	skipSpecialTokens bool
	tokens            []string // the window: the first tokens of the text and the last ones
	emitted           string   // the part of the window's text that was returned
	cleaner           cleaner  // cleans up what is returned
	whole             bool     // any token may change the text before it: all of it is held back
}

// NewStream starts a text. With skipSpecialTokens, special tokens are left out.
func (t *Tokenizer) NewStream(skipSpecialTokens bool) *Stream {
	s := &Stream{t: t, skipSpecialTokens: skipSpecialTokens, whole: rewritesText(t.decoder)}
	if t.cleanUp {
		s.cleaner = newCleaner(cleanUpText)
	}
	return s
}

// Add takes the next id and returns the text that is now certain, which may be "".
func (s *Stream) Add(id int32) string {
	token, ok := s.t.decoderToken(id, s.skipSpecialTokens)
	if !ok {
		return ""
	}
	s.tokens = append(s.tokens, token)
	if _, ok := byteToken(token); ok && s.t.byteFallback {
		return "" // how a run of bytes is read depends on the bytes that follow
	}
	if s.whole {
		return ""
	}
	text := s.t.decodeTokens(s.tokens)
	out := s.emit(strings.TrimSuffix(text, incomplete))
	s.shrink(text)
	return s.cleaner.write(out)
}

// incomplete is how the decoder writes a last character whose other bytes are still to come.
const incomplete = string(utf8.RuneError)

// Flush ends the text and returns what was held back. The stream can then begin another text.
func (s *Stream) Flush() string {
	out := s.emit(s.t.decodeTokens(s.tokens))
	s.tokens, s.emitted = s.tokens[:0], ""
	return s.cleaner.write(out) + s.cleaner.flush()
}

// emit returns what text has after the part that was returned before.
func (s *Stream) emit(text string) string {
	n := 0
	for n < min(len(text), len(s.emitted)) && text[n] == s.emitted[n] {
		n++
	}
	if n == len(text) {
		return ""
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	s.emitted = text
	return text[n:]
}

// The window is cut when it has windowMax tokens. Its first windowHead and last windowTail tokens stay.
const windowMax, windowHead, windowTail = 64, 4, 8

// shrink cuts tokens out of the middle of the window once it is long. That leaves the text to come as it is: a decoder
// looks at the start of the text (it drops the first space, say) and at a few tokens back (the bytes of a character).
func (s *Stream) shrink(text string) {
	held, ok := strings.CutPrefix(text, s.emitted)
	if len(s.tokens) < windowMax || !ok {
		return
	}
	rest := slices.Concat(s.tokens[:windowHead], s.tokens[len(s.tokens)-windowTail:])
	if short, ok := strings.CutSuffix(s.t.decodeTokens(rest), held); ok {
		s.tokens, s.emitted = rest, short
	}
}
