package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/spagotune/spagotune/internal/charclass"
)

// bertNormalizer cleans text, strips accents and writes lower case, as BERT does.
type bertNormalizer struct {
	Clean   bool  `json:"clean_text"`
	Chinese bool  `json:"handle_chinese_chars"`
	Accents *bool `json:"strip_accents"` // null: as Lower
	Lower   bool  `json:"lowercase"`
}

func parseBertNormalizer(raw json.RawMessage, where string) (normalizer, error) {
	n := bertNormalizer{}
	err := decodeObject(raw, where, &n, "clean_text", "handle_chinese_chars", "lowercase")
	return n, err
}

func (n bertNormalizer) normalize(p *piece) {
	if p.al == nil && isASCII(p.s) {
		p.s = n.ascii(p.s)
		return
	}
	if n.Clean {
		cleanBert(p)
	}
	if n.Chinese && strings.ContainsFunc(p.s, charclass.IsChinese) {
		spaceChinese(p)
	}
	if n.Accents == nil && n.Lower || n.Accents != nil && *n.Accents {
		unicodeForms["NFD"].normalize(p)
		p.filter(func(r rune) bool { return !charclass.IsNonspacing(r) })
	}
	if n.Lower {
		lowercase(p)
	}
}

// cleanBert removes control characters, and writes all white space as spaces.
func cleanBert(p *piece) {
	p.filter(func(r rune) bool { return !charclass.IsControl(r) })
	p.mapRunes(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	})
}

// spaceChinese puts spaces around Chinese characters.
func spaceChinese(p *piece) {
	changes := make([]change, 0, len(p.s))
	for _, r := range p.s {
		if charclass.IsChinese(r) {
			changes = append(changes, change{' ', 0}, change{r, 1}, change{' ', 1})
		} else {
			changes = append(changes, change{r, 0})
		}
	}
	p.transform(changes, 0)
}

// ascii is normalize for a text of ASCII only.
func (n bertNormalizer) ascii(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case n.Clean && (c == '\t' || c == '\n' || c == '\r'):
			c = ' '
		case n.Clean && (c < ' ' || c == 0x7F):
			continue
		case n.Lower && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}
