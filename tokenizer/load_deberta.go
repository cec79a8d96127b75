package tokenizer

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/charclass"
)

// debertaName is DeBERTa's file.
const debertaName = "spm.model"

// buildDebertaV2 reads the SentencePiece model of DeBERTa v2 and v3. do_lower_case and split_by_punct change a text before the model sees it.
func buildDebertaV2(d folder, _ *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	opts.trim = true
	t, err := d.spm(debertaName, opts, func(f *spmFile) (*spmModel, error) { return newSPMModel(f, spmLayout{}) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", debertaName, err)
	}
	if opts.SplitByPunct {
		t.normalizer = punctuationParts{t.normalizer}
	}
	if orFalse(opts.LowerCase) {
		t.normalizer = normalizerList{normalizeFunc(lowercase), t.normalizer}
	}
	return t, nil
}

// punctuationParts normalises every punctuation mark, and the text between two of them, as a text of its own: each begins with a space.
type punctuationParts struct{ each normalizer }

func (n punctuationParts) normalize(p *piece) {
	var s []byte
	var al []span
	for _, part := range isolated.split(nil, *p, runeMatcher(charclass.IsPunctuation), false) {
		n.each.normalize(&part)
		s, al = append(s, part.s...), append(al, part.al...)
	}
	p.s, p.al = string(s), al
}
