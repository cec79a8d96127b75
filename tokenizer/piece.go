package tokenizer

import "unicode/utf8"

// span is a range of bytes of the original text, end excluded.
type span struct{ start, end int32 }

// piece is a part of the text on its way to the model.
type piece struct {
	s   string
	al  []span // the original bytes of each byte of s; nil: offsets are not wanted
	off int32  // where the piece begins in the original text
	id  int32  // the added token that the piece is, or noToken
}

// noToken marks a piece that the model must still tokenize.
const noToken int32 = -1

// newPiece returns the whole text as a piece, with spans if track is set.
func newPiece(text string, track bool) piece {
	p := piece{s: text, id: noToken}
	if !track {
		return p
	}
	p.al = make([]span, len(text))
	for i, r := range text {
		n := utf8.RuneLen(r)
		for j := range n {
			p.al[i+j] = span{int32(i), int32(i + n)}
		}
	}
	return p
}

// slice returns bytes i to j of p.
func (p piece) slice(i, j int) piece {
	q := piece{s: p.s[i:j], off: p.off + int32(i), id: noToken}
	if p.al != nil {
		q.al = p.al[i:j]
		if i < j {
			q.off = q.al[0].start
		}
	}
	return q
}

// appendSlice appends bytes i to j of p to dst, unless there are none.
func appendSlice(dst []piece, p piece, i, j int) []piece {
	if i >= j {
		return dst
	}
	return append(dst, p.slice(i, j))
}

// change is one character of a rewritten text. If d is 1, the character is new. If d is 0, it replaces the next
// character of the old text. If d is -n, it replaces the next character and removes the n after that.
type change struct {
	r rune
	d int32
}

// transform rewrites p. Before that, it drops the first characters, as many as removed says. New characters belong to the
// original bytes of the character before them.
func (p *piece) transform(changes []change, removed int) {
	old, pos := p.s, 0
	skip := func(n int) {
		for ; n > 0 && pos < len(old); n-- {
			_, w := utf8.DecodeRuneInString(old[pos:])
			pos += w
		}
	}
	skip(removed)
	out := make([]byte, 0, len(old)+len(old)/4+8)
	var al []span
	if p.al != nil {
		al = make([]span, 0, cap(out))
	}
	for _, c := range changes {
		from := pos
		if c.d <= 0 {
			skip(1 - int(c.d))
		} else {
			from--
		}
		n := len(out)
		out = utf8.AppendRune(out, c.r)
		if p.al == nil {
			continue
		}
		a := p.spanAt(from)
		for range len(out) - n {
			al = append(al, a)
		}
	}
	p.s, p.al = string(out), al
}

// spanAt returns the original range of byte i. Outside of the piece it is empty.
func (p *piece) spanAt(i int) span {
	if i >= 0 && i < len(p.al) {
		return p.al[i]
	}
	if i >= len(p.al) && len(p.al) > 0 {
		return p.al[len(p.al)-1]
	}
	return span{p.off, p.off}
}

// prepend puts text before p. It belongs to p's first character. An empty p stays empty.
func (p *piece) prepend(text string) {
	if p.s == "" {
		return
	}
	p.s = text + p.s
	if p.al != nil {
		al := make([]span, 0, len(p.s))
		for range len(text) {
			al = append(al, p.al[0])
		}
		p.al = append(al, p.al...)
	}
}

// filter removes the characters for which keep is false.
func (p *piece) filter(keep func(rune) bool) {
	clean := true
	for _, r := range p.s {
		if !keep(r) {
			clean = false
			break
		}
	}
	if clean {
		return
	}
	changes := make([]change, 0, len(p.s))
	removed := 0
	for _, r := range p.s {
		switch {
		case keep(r):
			changes = append(changes, change{r, 0})
		case len(changes) == 0:
			removed++
		default:
			changes[len(changes)-1].d--
		}
	}
	p.transform(changes, removed)
}

// mapRunes replaces each character r by f(r).
func (p *piece) mapRunes(f func(rune) rune) {
	same := true
	for _, r := range p.s {
		if f(r) != r {
			same = false
			break
		}
	}
	if same {
		return
	}
	changes := make([]change, 0, len(p.s))
	for _, r := range p.s {
		changes = append(changes, change{f(r), 0})
	}
	p.transform(changes, 0)
}

// replace replaces each match by text, which belongs to the last character of the match.
func (p *piece) replace(m matcher, text string) {
	var out []byte
	var al []span
	last, changed := 0, false
	m.matches(p.s, func(i, j int) {
		changed = true
		out = append(append(out, p.s[last:i]...), text...)
		bounded(len(p.s), len(out))
		if p.al != nil {
			al = append(al, p.al[last:i]...)
			a := p.spanAt(j - 1)
			for range len(text) {
				al = append(al, a)
			}
		}
		last = j
	})
	if !changed {
		return
	}
	if p.al != nil {
		p.al = append(al, p.al[last:]...)
	}
	p.s = string(append(out, p.s[last:]...))
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// validUTF8 replaces each invalid byte of s by U+FFFD.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
