package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The byte-level alphabet of GPT-2 has a visible character for each byte. Printable bytes stand for themselves, the
// others for the characters from 256 on.
var (
	byteToRune [256]rune
	runeToByte [512]int16 // or -1
)

func init() {
	next := rune(256)
	for i := range runeToByte {
		runeToByte[i] = -1
	}
	for b := range byteToRune {
		r := rune(b)
		if !('!' <= r && r <= '~' || 0xA1 <= r && r <= 0xAC || 0xAE <= r) {
			r = next
			next++
		}
		byteToRune[b] = r
		runeToByte[r] = int16(b)
	}
}

// byteLevel is the settings of a ByteLevel. It may be a pre-tokenizer, a post-processor or a decoder; each reads what
// concerns it.
type byteLevel struct {
	AddPrefixSpace *bool `json:"add_prefix_space"`
	TrimOffsets    *bool `json:"trim_offsets"`
	UseRegex       *bool `json:"use_regex"`
}

func parseByteLevel(raw json.RawMessage, where string) (c byteLevel, err error) {
	err = decodeObject(raw, where, &c)
	return c, err
}

func parseByteLevelSplit(raw json.RawMessage, where string) ([]preTokenizer, error) {
	c, err := parseByteLevel(raw, where)
	return []preTokenizer{byteLevelSplit{orTrue(c.AddPrefixSpace), orTrue(c.UseRegex)}}, err
}

// byteLevelSplit splits the text as GPT-2 does, and writes it in the byte-level alphabet.
type byteLevelSplit struct{ prefixSpace, regex bool }

func (b byteLevelSplit) run(dst, src []piece) []piece {
	first := len(dst)
	words := wordPatterns[gpt2Pattern]
	size := 0
	for _, p := range src {
		if p.id != noToken {
			dst = append(dst, p)
			continue
		}
		if b.prefixSpace && !strings.HasPrefix(p.s, " ") {
			p.prepend(" ")
		}
		size += byteLevelLen(p.s)
		if b.regex {
			dst = words.split(dst, p)
		} else {
			dst = append(dst, p)
		}
	}
	var all strings.Builder // all pieces, one after the other
	all.Grow(size)
	for i := first; i < len(dst); i++ {
		p := &dst[i]
		switch {
		case p.id != noToken:
		case p.al != nil:
			toByteLevel(p)
		default:
			start := all.Len()
			writeByteLevel(&all, p.s)
			p.s = all.String()[start:]
		}
	}
	return dst
}

// byteLevelLen is the length of s in the byte-level alphabet.
func byteLevelLen(s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7F {
			n++
		}
	}
	return n
}

func writeByteLevel(out *strings.Builder, s string) {
	start := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7F {
			out.WriteString(s[start:i])
			out.WriteRune(byteToRune[c])
			start = i + 1
		}
	}
	out.WriteString(s[start:])
}

// toByteLevel writes p in the byte-level alphabet.
func toByteLevel(p *piece) {
	var out strings.Builder
	out.Grow(byteLevelLen(p.s))
	writeByteLevel(&out, p.s)
	if p.al != nil {
		al := make([]span, 0, out.Len())
		for i := 0; i < len(p.s); i++ {
			for range utf8.RuneLen(byteToRune[p.s[i]]) {
				al = append(al, p.al[i])
			}
		}
		p.al = al
	}
	p.s = out.String()
}

// fromByteLevel appends the bytes that token stands for. A token with other characters stands for itself.
func fromByteLevel(dst []byte, token string) []byte {
	n := len(dst)
	for _, r := range token {
		if r >= rune(len(runeToByte)) || runeToByte[r] < 0 {
			return append(dst[:n], token...)
		}
		dst = append(dst, byte(runeToByte[r]))
	}
	return dst
}
