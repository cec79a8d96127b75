package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// metaspaceConfig is the settings of a Metaspace, which may be a pre-tokenizer or a decoder.
type metaspaceConfig struct {
	Replacement    string  `json:"replacement"`
	AddPrefixSpace *bool   `json:"add_prefix_space"`
	PrependScheme  *string `json:"prepend_scheme"`
	Split          *bool   `json:"split"`
	StrRep         *string `json:"str_rep"`
}

// parseMetaspace reads a Metaspace, and finds out its prepend scheme.
func parseMetaspace(raw json.RawMessage, where string) (replacement rune, scheme string, split bool, err error) {
	var c metaspaceConfig
	if err = decodeObject(raw, where, &c, "replacement"); err != nil {
		return
	}
	if replacement, err = oneRune(c.Replacement, where, "replacement"); err != nil {
		return
	}
	scheme = "always"
	if c.PrependScheme != nil {
		scheme = *c.PrependScheme
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		err = fmt.Errorf("%s: prepend_scheme %q is %w; known: always, first, never", where, scheme, ErrUnsupported)
		return
	}
	if c.AddPrefixSpace != nil && !*c.AddPrefixSpace {
		if c.PrependScheme != nil && scheme != "never" {
			err = fmt.Errorf("%s: add_prefix_space is false, but prepend_scheme is %q, want \"never\"", where, scheme)
			return
		}
		scheme = "never"
	}
	return replacement, scheme, orTrue(c.Split), nil
}

// metaspaceSplit writes a visible character for each space, and splits before it.
type metaspaceSplit struct {
	text   string // that character
	scheme string // which pieces get one at the front
	cut    bool
}

func parseMetaspaceSplit(raw json.RawMessage, where string) ([]preTokenizer, error) {
	r, scheme, split, err := parseMetaspace(raw, where)
	return []preTokenizer{metaspaceSplit{string(r), scheme, split}}, err
}

func (m metaspaceSplit) run(dst, src []piece) []piece { return splitFunc(m.split).run(dst, src) }

func (m metaspaceSplit) split(dst []piece, p piece) []piece {
	if p.al == nil {
		p.s = strings.ReplaceAll(p.s, " ", m.text)
	} else {
		p.replace(textMatcher(" "), m.text)
	}
	wanted := m.scheme == "always" || m.scheme == "first" && p.off == 0
	if wanted && !strings.HasPrefix(p.s, m.text) {
		p.prepend(m.text)
	}
	if !m.cut {
		return appendSlice(dst, p, 0, len(p.s))
	}
	for at := 0; at < len(p.s); {
		end := len(p.s)
		if i := strings.Index(p.s[at+1:], m.text); i >= 0 {
			end = at + 1 + i
		}
		dst = append(dst, p.slice(at, end))
		at = end
	}
	return dst
}
