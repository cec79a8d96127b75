package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// spmDecoder turns pieces into text as SentencePiece does.
type spmDecoder struct {
	kinds       map[string]pieceKind // the kinds of the pieces that are not plain text
	unkSurface  string
	stripSpaces bool // remove the first space of the text
	stripAll    bool // remove all spaces at the start
	denorm      *spmNormalizer
	trim        bool // remove white space at both ends
}

func newSPMDecoder(f *spmFile) (*spmDecoder, error) {
	d := &spmDecoder{
		kinds: map[string]pieceKind{}, unkSurface: f.unkSurface,
		stripSpaces: f.norm.dummyPrefix || f.norm.removeExtra, stripAll: f.norm.removeExtra,
	}
	for _, p := range f.pieces {
		if !p.kind.inText() && p.kind != unusedPiece {
			d.kinds[p.text] = p.kind
		}
	}
	if len(f.denorm.charsmap) == 0 {
		return d, nil
	}
	var err error
	d.denorm, err = newSPMNormalizer(f.denorm, nil, f.suffixSpace)
	return d, err
}

func (d *spmDecoder) decode(tokens []string) []string {
	var out, run []byte
	atStart := d.stripSpaces
	stripped := false // the first space was removed
	for _, s := range tokens {
		kind := d.kinds[s]
		if kind == bytePiece {
			b, _ := byteToken(s)
			run = append(run, b)
			continue
		}
		out, run = appendBytes(out, run), run[:0]
		atStart = atStart && !stripped && len(out) == 0
		switch kind {
		case controlPiece:
			continue
		case unknownPiece:
			out = append(out, d.unkSurface...)
			continue
		}
		if atStart {
			rest, found := strings.CutPrefix(s, metaspace)
			s, stripped = rest, found && !d.stripAll
		}
		out = append(out, strings.ReplaceAll(s, metaspace, " ")...)
	}
	p := piece{s: string(appendBytes(out, run))}
	if d.denorm != nil {
		d.denorm.normalize(&p)
	}
	if d.trim {
		p.s = strings.TrimSpace(p.s)
	}
	return []string{p.s}
}

// appendBytes appends text that is given as bytes. Each byte that is not UTF-8 becomes U+FFFD.
func appendBytes(out, run []byte) []byte {
	for len(run) > 0 {
		r, n := utf8.DecodeRune(run)
		out = utf8.AppendRune(out, r)
		run = run[n:]
	}
	return out
}
