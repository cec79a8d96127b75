package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder turns tokens, at least one, into parts of text that are then joined.
type decoder interface {
	decode(tokens []string) []string
}

type decodeFunc func(tokens []string) []string

func (f decodeFunc) decode(tokens []string) []string { return f(tokens) }

// mapTokens makes a decoder that looks at one token at a time.
func mapTokens(f func(i int, token string) string) decodeFunc {
	return func(tokens []string) []string {
		out := make([]string, len(tokens))
		for i, s := range tokens {
			out[i] = f(i, s)
		}
		return out
	}
}

// decoderList applies its parts in order.
type decoderList []decoder

func (l decoderList) decode(tokens []string) []string {
	for _, d := range l {
		tokens = d.decode(tokens)
	}
	return tokens
}

// fuseDecoder makes one token of all.
type fuseDecoder struct{}

func (fuseDecoder) decode(tokens []string) []string { return []string{strings.Join(tokens, "")} }

// rewritesText says whether a decoder replaces in the text of all tokens together: a later token may then change what
// the ones before it are.
func rewritesText(d decoder) bool {
	list, ok := d.(decoderList)
	if !ok {
		spm, ok := d.(*spmDecoder)
		return ok && spm.denorm != nil
	}
	fused := false
	for _, d := range list {
		r, replaces := d.(replaceDecoder)
		text, isText := r.m.(textMatcher)
		if rewritesText(d) || fused && replaces && (!isText || len(text) > 1) {
			return true
		}
		_, fuses := d.(fuseDecoder)
		fused = fused || fuses
	}
	return false
}

var decoders registry[decoder]

func init() {
	decoders = registry[decoder]{
		"Sequence": func(raw json.RawMessage, where string) (decoder, error) {
			var c struct {
				Decoders []json.RawMessage `json:"decoders"`
			}
			if err := decodeObject(raw, where, &c, "decoders"); err != nil {
				return nil, err
			}
			list, err := buildList(c.Decoders, where+".decoders", decoders.build)
			return decoderList(list), err
		},
		"ByteLevel": func(raw json.RawMessage, where string) (decoder, error) {
			_, err := parseByteLevel(raw, where)
			return decodeFunc(decodeByteLevel), err
		},
		"ByteFallback": plainDecoder(byteFallbackDecoder{}),
		"Fuse":         plainDecoder(fuseDecoder{}),
		"Metaspace":    parseMetaspaceDecoder,
		"WordPiece":    parseWordPieceDecoder,
		"Strip":        parseStripDecoder,
		"Replace":      parseReplaceDecoder,
		"BPEDecoder":   parseBPEDecoder,
		"CTC":          parseCTC,
	}
}

// plainDecoder makes a decoder without settings.
func plainDecoder(d decoder) func(json.RawMessage, string) (decoder, error) {
	return func(raw json.RawMessage, where string) (decoder, error) {
		return d, decodeObject(raw, where, &noFields{})
	}
}

// decodeByteLevel reads all tokens in the byte-level alphabet.
func decodeByteLevel(tokens []string) []string {
	var out []byte
	for _, s := range tokens {
		out = fromByteLevel(out, s)
	}
	return []string{lossyUTF8(out)}
}

// lossyUTF8 returns b with U+FFFD for what is not UTF-8: one for the beginning of a character that does not go on, one
// for each other byte.
func lossyUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = brokenLen(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// brokenLen returns the length of the beginning of a character that b starts with.
func brokenLen(b []byte) int {
	for n := min(3, len(b)); n > 1; n-- {
		if !utf8.FullRune(b[:n]) { // more bytes could still make a character
			return n
		}
	}
	return 1
}

// byteFallbackDecoder reads runs of <0x..> as bytes. If a run is not UTF-8, each of its bytes becomes U+FFFD.
type byteFallbackDecoder struct{}

func (byteFallbackDecoder) decode(tokens []string) []string {
	out := make([]string, 0, len(tokens))
	var run []byte
	flush := func() {
		switch {
		case len(run) == 0:
		case utf8.Valid(run):
			out = append(out, string(run))
		default:
			for range run {
				out = append(out, string(utf8.RuneError))
			}
		}
		run = run[:0]
	}
	for _, s := range tokens {
		if b, ok := byteToken(s); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, s)
	}
	flush()
	return out
}

// byteToken returns the byte that a token such as <0x0A> stands for.
func byteToken(s string) (byte, bool) {
	if len(s) != 6 || !strings.HasPrefix(s, "<0x") || s[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(strings.TrimPrefix(s[3:5], "+"), 16, 8)
	return byte(b), err == nil
}

func parseMetaspaceDecoder(raw json.RawMessage, where string) (decoder, error) {
	r, scheme, _, err := parseMetaspace(raw, where)
	return mapTokens(func(i int, s string) string {
		if i == 0 && scheme != "never" {
			return strings.ReplaceAll(s, string(r), "")
		}
		return strings.ReplaceAll(s, string(r), " ")
	}), err
}

func parseWordPieceDecoder(raw json.RawMessage, where string) (decoder, error) {
	var c struct {
		Prefix  *string `json:"prefix"`
		Cleanup bool    `json:"cleanup"`
	}
	if err := decodeObject(raw, where, &c, "prefix", "cleanup"); err != nil {
		return nil, err
	}
	return newWordPieceDecoder(*c.Prefix, c.Cleanup), nil
}

func newWordPieceDecoder(prefix string, cleanUp bool) decoder {
	return mapTokens(func(i int, s string) string {
		if i > 0 {
			if inner, ok := strings.CutPrefix(s, prefix); ok {
				s = inner
			} else {
				s = " " + s
			}
		}
		if cleanUp {
			s = cleanUpToken.clean(s)
		}
		return s
	})
}

// parseStripDecoder reads a Strip. It removes up to start characters from the left of each token and up to stop from
// the right, as long as they are content.
func parseStripDecoder(raw json.RawMessage, where string) (decoder, error) {
	var c struct {
		Content string `json:"content"`
		Start   *int   `json:"start"`
		Stop    *int   `json:"stop"`
	}
	if err := decodeObject(raw, where, &c, "content", "start", "stop"); err != nil {
		return nil, err
	}
	r, err := oneRune(c.Content, where, "content")
	if err != nil {
		return nil, err
	}
	if *c.Start < 0 || *c.Stop < 0 {
		return nil, fmt.Errorf("%s: start is %d and stop is %d, want 0 or more", where, *c.Start, *c.Stop)
	}
	content := string(r)
	return mapTokens(func(_ int, s string) string {
		for n := 0; n < *c.Start && strings.HasPrefix(s, content); n++ {
			s = s[len(content):]
		}
		for n := 0; n < *c.Stop && strings.HasSuffix(s, content); n++ {
			s = s[:len(s)-len(content)]
		}
		return s
	}), nil
}

// replaceDecoder replaces each match in a token.
type replaceDecoder struct {
	m       matcher
	content string
}

func (d replaceDecoder) decode(tokens []string) []string {
	out := make([]string, len(tokens))
	for i, s := range tokens {
		p := piece{s: s}
		p.replace(d.m, d.content)
		out[i] = p.s
	}
	return out
}

func parseReplaceDecoder(raw json.RawMessage, where string) (decoder, error) {
	m, content, err := parseReplace(raw, where)
	return replaceDecoder{m, content}, err
}

// parseBPEDecoder reads a BPEDecoder. The suffix that ends a word becomes a space.
func parseBPEDecoder(raw json.RawMessage, where string) (decoder, error) {
	var c struct {
		Suffix *string `json:"suffix"`
	}
	if err := decodeObject(raw, where, &c, "suffix"); err != nil {
		return nil, err
	}
	return decodeFunc(func(tokens []string) []string {
		out := make([]string, len(tokens))
		for i, s := range tokens {
			space := " "
			if i == len(tokens)-1 {
				space = ""
			}
			out[i] = strings.ReplaceAll(s, *c.Suffix, space)
		}
		return out
	}), nil
}

// parseCTC reads a CTC. Of equal tokens in a row one is kept, padding is removed, and the word delimiter becomes a
// space.
func parseCTC(raw json.RawMessage, where string) (decoder, error) {
	var c struct {
		Pad       *string `json:"pad_token"`
		Delimiter *string `json:"word_delimiter_token"`
		Cleanup   bool    `json:"cleanup"`
	}
	if err := decodeObject(raw, where, &c, "pad_token", "word_delimiter_token", "cleanup"); err != nil {
		return nil, err
	}
	return decodeFunc(func(tokens []string) []string {
		var out []string
		for i, s := range tokens {
			if i > 0 && s == tokens[i-1] {
				continue
			}
			s = strings.ReplaceAll(s, *c.Pad, "")
			if c.Cleanup {
				s = strings.ReplaceAll(cleanUpToken.clean(s), *c.Delimiter, " ")
			}
			if s != "" {
				out = append(out, s)
			}
		}
		return out
	}), nil
}
