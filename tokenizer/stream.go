package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes the ids of one text as they are generated. The parts that it
// returns, one after the other, are Decode of all ids.
//
// It decodes a window of the last ids again for each new one, and returns
// what is new and can no longer change.
type Stream struct {
	t                 *Tokenizer
	skipSpecialTokens bool
	tokens            []string // the window
	emitted           string   // of the text of the window
}

// NewStream starts a text. With skipSpecialTokens, special tokens are left out.
func (t *Tokenizer) NewStream(skipSpecialTokens bool) *Stream {
	return &Stream{t: t, skipSpecialTokens: skipSpecialTokens}
}

// windowMax and windowMin are the lengths at which the window is cut, and to which.
const windowMax, windowMin = 64, 8

// Add takes the next id and returns the text that is now certain, which may be "".
func (s *Stream) Add(id int32) string {
	token, ok := s.t.decoderToken(id, s.skipSpecialTokens)
	if !ok {
		return ""
	}
	s.tokens = append(s.tokens, token)
	if _, ok := byteToken(token); ok && s.t.byteFallback {
		return "" // the bytes after it decide about a whole run
	}
	text := s.t.decodeTokens(s.tokens)
	out := s.emit(text[:s.certain(text)])
	s.shrink(text)
	return out
}

// Flush ends the text and returns what was held back. The stream can then begin another one.
func (s *Stream) Flush() string {
	text := s.t.decodeTokens(s.tokens)
	n := 0
	for n < min(len(text), len(s.emitted)) && text[n] == s.emitted[n] {
		n++
	}
	s.tokens, s.emitted = s.tokens[:0], ""
	return text[n:]
}

// emit returns what text has after the part returned before.
func (s *Stream) emit(text string) string {
	out, ok := strings.CutPrefix(text, s.emitted)
	if !ok || out == "" {
		return ""
	}
	s.emitted = text
	return out
}

// certain is the length of the text without an incomplete character at its
// end, and without a space that cleaning up may still take away.
func (s *Stream) certain(text string) int {
	n := len(text)
	for strings.HasSuffix(text[:n], string(utf8.RuneError)) {
		n -= len(string(utf8.RuneError))
	}
	if s.t.cleanUp {
		if i := strings.LastIndexByte(text[:n], ' '); i >= n-3 && i >= 0 {
			n = i
		}
	}
	return n
}

// shrink cuts the window, once it is long, where that makes no difference to
// the text to come: what is left must decode to the end of the text.
func (s *Stream) shrink(text string) {
	if len(s.tokens) < windowMax || s.emitted != text {
		return
	}
	rest := s.tokens[len(s.tokens)-windowMin:]
	short := s.t.decodeTokens(rest)
	if strings.TrimSpace(short) == "" || !strings.HasSuffix(text, strings.TrimLeft(short, " ")) {
		return
	}
	s.tokens = append(s.tokens[:0], rest...)
	s.emitted = short
}
