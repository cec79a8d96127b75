package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/spagotune/spagotune/internal/charclass"
)

// normalizer rewrites the text before it is split.
type normalizer interface {
	normalize(p *piece)
}

var normalizers registry[normalizer]

func init() {
	normalizers = registry[normalizer]{
		"Sequence": func(raw json.RawMessage, where string) (normalizer, error) {
			var c struct {
				Normalizers []json.RawMessage `json:"normalizers"`
			}
			if err := decodeObject(raw, where, &c, "normalizers"); err != nil {
				return nil, err
			}
			list, err := buildList(c.Normalizers, where+".normalizers", normalizers.build)
			return normalizerList(list), err
		},
		"BertNormalizer": parseBertNormalizer,
		"Bert":           parseBertNormalizer,
		"Replace":        parseReplaceNormalizer,
		"Prepend":        parsePrepend,
		"Strip":          parseStripNormalizer,
		"Precompiled":    parsePrecompiled,
		"Lowercase":      plainNormalizer(normalizeFunc(lowercase)),
		"StripAccents":   plainNormalizer(normalizeFunc(stripAccents)),
		"Nmt":            plainNormalizer(normalizeFunc(normalizeNmt)),
		"ByteLevel":      plainNormalizer(normalizeFunc(toByteLevel)),
	}
	for name, form := range unicodeForms {
		normalizers[name] = plainNormalizer(form)
	}
}

// plainNormalizer makes a normalizer without settings.
func plainNormalizer(n normalizer) func(json.RawMessage, string) (normalizer, error) {
	return func(raw json.RawMessage, where string) (normalizer, error) {
		return n, decodeObject(raw, where, &noFields{})
	}
}

type normalizeFunc func(p *piece)

func (f normalizeFunc) normalize(p *piece) { f(p) }

// normalizerList applies its parts in order.
type normalizerList []normalizer

func (l normalizerList) normalize(p *piece) {
	from := len(p.s)
	for _, n := range l {
		n.normalize(p)
		bounded(from, len(p.s))
	}
}

// replaceNormalizer replaces each match by a text.
type replaceNormalizer struct {
	match   matcher
	content string
}

func (n replaceNormalizer) normalize(p *piece) { p.replace(n.match, n.content) }

func parseReplaceNormalizer(raw json.RawMessage, where string) (normalizer, error) {
	m, content, err := parseReplace(raw, where)
	return replaceNormalizer{m, content}, err
}

// parseReplace reads a Replace, which may be a normalizer or a decoder.
func parseReplace(raw json.RawMessage, where string) (matcher, string, error) {
	var c struct {
		Pattern json.RawMessage `json:"pattern"`
		Content *string         `json:"content"`
	}
	if err := decodeObject(raw, where, &c, "pattern", "content"); err != nil {
		return nil, "", err
	}
	m, err := parsePattern(c.Pattern, where+".pattern")
	return m, *c.Content, err
}

// prependNormalizer puts a text before each piece that is not empty.
type prependNormalizer string

func (n prependNormalizer) normalize(p *piece) { p.prepend(string(n)) }

func parsePrepend(raw json.RawMessage, where string) (normalizer, error) {
	var c struct {
		Prepend string `json:"prepend"`
	}
	err := decodeObject(raw, where, &c, "prepend")
	return prependNormalizer(c.Prepend), err
}

// stripNormalizer removes white space at the ends.
type stripNormalizer struct {
	Left  bool `json:"strip_left"`
	Right bool `json:"strip_right"`
}

func (n stripNormalizer) normalize(p *piece) {
	i, j := 0, len(p.s)
	if n.Left {
		i = j - len(strings.TrimLeftFunc(p.s, unicode.IsSpace))
	}
	if n.Right {
		j = i + len(strings.TrimRightFunc(p.s[i:], unicode.IsSpace))
	}
	off := p.off
	*p = p.slice(i, j)
	p.off = off
}

func parseStripNormalizer(raw json.RawMessage, where string) (normalizer, error) {
	var n stripNormalizer
	err := decodeObject(raw, where, &n, "strip_left", "strip_right")
	return n, err
}

// lowercase maps each character by itself. İ becomes i and a dot.
func lowercase(p *piece) {
	if p.al == nil && isASCII(p.s) {
		p.s = strings.ToLower(p.s)
		return
	}
	if !strings.ContainsRune(p.s, 'İ') {
		p.mapRunes(unicode.ToLower)
		return
	}
	changes := make([]change, 0, len(p.s))
	for _, r := range p.s {
		changes = append(changes, change{unicode.ToLower(r), 0})
		if r == 'İ' {
			changes = append(changes, change{0x307, 1})
		}
	}
	p.transform(changes, 0)
}

// stripAccents removes marks.
func stripAccents(p *piece) { p.filter(func(r rune) bool { return !charclass.IsMark(r) }) }

// normalizeNmt cleans text by SentencePiece's nmt rules.
func normalizeNmt(p *piece) {
	if plainText(p.s) {
		return
	}
	p.filter(func(r rune) bool {
		return !(1 <= r && r <= 8 || r == 0xB || 0xE <= r && r <= 0x1F || r == 0x7F || r == 0x8F || r == 0x9F)
	})
	p.mapRunes(func(r rune) rune {
		switch {
		case r == 0x9, r == 0xA, r == 0xC, r == 0xD, r == 0x1680, 0x200B <= r && r <= 0x200F,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			return ' '
		}
		return r
	})
}

// plainText says whether s is printable ASCII only.
func plainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7F {
			return false
		}
	}
	return true
}
