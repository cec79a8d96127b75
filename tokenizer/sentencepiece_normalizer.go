package tokenizer

import (
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
)

// spmNormalizer rewrites text as a SentencePiece model asks for: it applies the longest of the rules at each place,
// makes one of the spaces in a row, writes spaces as a visible character, and puts one more at the front. User-defined
// pieces stay as they are.
type spmNormalizer struct {
	rules       *precompiled // or nil
	pieces      *trie        // user-defined pieces, or nil
	dummyPrefix bool
	removeExtra bool   // remove spaces at both ends, and all but the first of a run
	space       string // what is written for a space
	suffix      bool   // the extra space goes to the end of the text
	firstOnly   bool   // text after an added token gets no extra space
	plain       [256]bool
}

func newSPMNormalizer(r spmRules, pieces *trie, suffix bool) (*spmNormalizer, error) {
	n := &spmNormalizer{
		pieces: pieces, dummyPrefix: r.dummyPrefix, removeExtra: r.removeExtra, space: " ", suffix: suffix,
	}
	if r.escapeSpaces {
		n.space = metaspace
	}
	if len(r.charsmap) > 0 {
		rules, err := newPrecompiled(r.charsmap)
		if err != nil {
			return nil, err
		}
		n.rules = rules
	}
	for c := range utf8.RuneSelf {
		starts := pieces != nil && pieces.root[c] > 0
		n.plain[c] = c != ' ' && !starts && (n.rules == nil || n.rules.plainASCII(byte(c)))
	}
	return n, nil
}

// next returns what the start of s becomes, and the size of that start.
func (n *spmNormalizer) next(s string) (text string, size int) {
	if n.pieces != nil {
		if id, size := n.pieces.longest(0, s); id >= 0 {
			return s[:size], size
		}
	}
	if n.rules != nil {
		if text, size := n.rules.longest(s); size > 0 {
			return text, size
		}
	}
	size = charclass.RuneLen(s)
	return s[:size], size
}

// plainRun returns the length of the ASCII at the start of s that no rule changes.
func (n *spmNormalizer) plainRun(s string) int {
	i := 0
	for i < len(s) && n.plain[s[i]] {
		i++
	}
	if i > 0 && i < len(s) && s[i] >= utf8.RuneSelf {
		i-- // a rule may begin with the last character
	}
	return i
}

func (n *spmNormalizer) normalize(p *piece) {
	inner := n.firstOnly && p.off > 0
	s, at := p.s, 0
	if n.removeExtra && !inner {
		at = n.leadingSpaces(s)
	}
	if at == len(s) {
		p.s, p.al = "", nil
		return
	}
	w := spmWriter{from: p, out: make([]byte, 0, len(s)+len(s)/2+8)}
	extra := n.dummyPrefix && !inner
	if extra && !n.suffix {
		w.empty(n.space, p.spanAt(at).start)
	}
	afterSpace := n.removeExtra && !inner
	for at < len(s) {
		if run := n.plainRun(s[at:]); run > 0 {
			w.copy(at, at+run)
			at += run
			afterSpace = false
			continue
		}
		text, size := n.next(s[at:])
		for afterSpace && strings.HasPrefix(text, " ") {
			text = text[1:]
		}
		if text != "" {
			afterSpace = n.removeExtra && strings.HasSuffix(text, " ")
			w.write(text, n.space, at, at+size)
		}
		at += size
	}
	if n.removeExtra {
		w.trimSuffix(n.space)
	}
	if extra && n.suffix {
		w.empty(n.space, p.spanAt(len(s)).end)
	}
	p.s, p.al = string(w.out), w.al
}

// leadingSpaces returns the length of the start of s that becomes spaces.
func (n *spmNormalizer) leadingSpaces(s string) int {
	at := 0
	for at < len(s) {
		text, size := n.next(s[at:])
		if text != " " {
			break
		}
		at += size
	}
	return at
}

// spmWriter collects a normalized text, and the original bytes that it comes from.
type spmWriter struct {
	from *piece
	out  []byte
	al   []span
}

// copy appends bytes i to j as they are.
func (w *spmWriter) copy(i, j int) {
	w.out = append(w.out, w.from.s[i:j]...)
	if w.from.al != nil {
		w.al = append(w.al, w.from.al[i:j]...)
	}
}

// write appends text, which comes from bytes i to j, with space for each of its spaces.
func (w *spmWriter) write(text, space string, i, j int) {
	before := len(w.out)
	for k := 0; k < len(text); k++ {
		if text[k] == ' ' {
			w.out = append(w.out, space...)
		} else {
			w.out = append(w.out, text[k])
		}
	}
	if w.from.al == nil {
		return
	}
	a := span{w.from.al[i].start, w.from.al[j-1].end}
	for range len(w.out) - before {
		w.al = append(w.al, a)
	}
}

// empty appends text that comes from no bytes, at original byte at.
func (w *spmWriter) empty(text string, at int32) {
	w.out = append(w.out, text...)
	if w.from.al == nil {
		return
	}
	for range len(text) {
		w.al = append(w.al, span{at, at})
	}
}

func (w *spmWriter) trimSuffix(text string) {
	for len(w.out) >= len(text) && string(w.out[len(w.out)-len(text):]) == text {
		w.out = w.out[:len(w.out)-len(text)]
	}
	w.al = w.al[:min(len(w.al), len(w.out))]
}
