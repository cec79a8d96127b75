package tokenizer

import (
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/spagotune/spagotune/internal/charclass"
)

// unicodeForm is one of the normalizers NFC, NFD, NFKC and NFKD. The tables are those of x/text. The algorithm is
// written out here because offsets need the change of every character, and because x/text breaks up long runs of marks.
type unicodeForm struct {
	form    norm.Form
	compat  bool // decompose compatibility characters, too
	compose bool
}

var unicodeForms = map[string]unicodeForm{
	"NFC":  {norm.NFC, false, true},
	"NFD":  {norm.NFD, false, false},
	"NFKC": {norm.NFKC, true, true},
	"NFKD": {norm.NFKD, true, false},
}

func (f unicodeForm) normalize(p *piece) {
	if isASCII(p.s) || f.form.QuickSpanString(p.s) == len(p.s) {
		return
	}
	marks := f.decompose(p.s)
	if f.compose {
		marks = compose(marks)
	}
	changes := make([]change, len(marks))
	for i, m := range marks {
		changes[i] = m.change
	}
	p.transform(changes, 0)
}

// classed is a change, with the canonical combining class of its character.
type classed struct {
	change
	class uint8
}

// decompose returns the decomposition of s, with marks in canonical order.
func (f unicodeForm) decompose(s string) []classed {
	form := norm.NFD
	if f.compat {
		form = norm.NFKD
	}
	out := make([]classed, 0, len(s))
	from := 0 // the marks from here on are still to be ordered
	order := func() {
		if len(out)-from > 1 {
			slices.SortStableFunc(out[from:], func(a, b classed) int { return int(a.class) - int(b.class) })
		}
		from = len(out)
	}
	push := func(r rune, d int32, class uint8) {
		if class == 0 {
			order()
		}
		out = append(out, classed{change{r, d}, class})
	}
	for i, r := range s {
		if r < utf8.RuneSelf {
			push(r, 0, 0)
			continue
		}
		props := form.PropertiesString(s[i:])
		parts := props.Decomposition()
		if parts == nil || unicode.Is(charclass.NotYetDecomposed, r) {
			if hangul := decomposeHangul(r); hangul != nil {
				for k, h := range hangul {
					push(h, int32(min(k, 1)), 0)
				}
				continue
			}
			push(r, 0, props.CCC())
			continue
		}
		for k, d := range string(parts) {
			push(d, int32(min(k, 1)), norm.NFD.Properties(parts[k:]).CCC())
		}
	}
	order()
	return out
}

// compose joins characters with the marks after them where a composed character exists (Unicode standard, section
// 3.11).
func compose(in []classed) []classed {
	out := make([]classed, 0, len(in))
	starter := -1 // in out
	last := uint8(0)
	blocked := false // there are marks between the starter and the next character
	for _, c := range in {
		if starter >= 0 && (!blocked || last < c.class) {
			if r, ok := composePair(out[starter].r, c.r); ok {
				out[starter].r = r
				out[starter].d += c.d - 1
				continue
			}
		}
		out = append(out, c)
		if c.class == 0 {
			starter, blocked = len(out)-1, false
		} else if starter >= 0 {
			last, blocked = c.class, true
		}
	}
	return out
}

// Hangul syllables are composed by arithmetic (Unicode standard, section 3.12).
const (
	hangulS, hangulL, hangulV, hangulT = 0xAC00, 0x1100, 0x1161, 0x11A7
	hangulLs, hangulVs, hangulTs       = 19, 21, 28
)

func decomposeHangul(r rune) []rune {
	s := r - hangulS
	if s < 0 || s >= hangulLs*hangulVs*hangulTs {
		return nil
	}
	out := []rune{hangulL + s/(hangulVs*hangulTs), hangulV + s%(hangulVs*hangulTs)/hangulTs}
	if t := s % hangulTs; t != 0 {
		out = append(out, hangulT+t)
	}
	return out
}

func composePair(a, b rune) (rune, bool) {
	if l, v := a-hangulL, b-hangulV; 0 <= l && l < hangulLs && 0 <= v && v < hangulVs {
		return hangulS + (l*hangulVs+v)*hangulTs, true
	}
	if s, t := a-hangulS, b-hangulT; 0 <= s && s < hangulLs*hangulVs*hangulTs && s%hangulTs == 0 && 0 < t && t < hangulTs {
		return a + t, true
	}
	r, ok := compositions()[[2]rune{a, b}]
	return r, ok
}

// compositions are all pairs of characters that compose, taken from x/text's decompositions.
var compositions = sync.OnceValue(func() map[[2]rune]rune {
	pairs := make(map[[2]rune]rune, 1024)
	for r := rune(0xA0); r < 0x30000; r++ {
		s := string(r)
		parts := []rune(string(norm.NFD.PropertiesString(s).Decomposition()))
		if len(parts) < 2 || unicode.Is(charclass.NotYetDecomposed, r) || !norm.NFC.IsNormalString(s) {
			continue
		}
		n := len(parts) - 1
		first := []rune(norm.NFC.String(string(parts[:n])))
		if len(first) == 1 && norm.NFC.String(string(parts)) == s {
			pairs[[2]rune{first[0], parts[n]}] = r
		}
	}
	return pairs
})
