package tokenizer

import (
	"fmt"
	"io/fs"
)

// spmNames are the names that the file of a SentencePiece model may have.
var spmNames = []string{"spiece.model", "tokenizer.model", "sentencepiece.bpe.model"}

// buildSPM reads a SentencePiece model.
func buildSPM(d folder, _ *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	for _, name := range spmNames {
		if !d.has(name) {
			continue
		}
		t, err := d.spm(name, opts, func(f *spmFile) (*spmModel, error) { return newSPMModel(f, opts.layout) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return t, nil
	}
	return nil, fmt.Errorf("no SentencePiece model there: want one of %q: %w", spmNames, fs.ErrNotExist)
}

// spm makes a tokenizer from the file of a SentencePiece model.
func (d folder) spm(name string, opts *classOptions, newModel func(*spmFile) (*spmModel, error)) (*Tokenizer, error) {
	raw, err := d.read(name)
	if err != nil {
		return nil, err
	}
	f, err := parseSPM(raw)
	if err != nil {
		return nil, err
	}
	return spmTokenizer(f, opts, newModel)
}

// spmTokenizer puts the parts of a SentencePiece model together.
func spmTokenizer(f *spmFile, opts *classOptions, newModel func(*spmFile) (*spmModel, error)) (*Tokenizer, error) {
	n, err := newSPMNormalizer(f.norm, userDefined(f), f.suffixSpace)
	if err != nil {
		return nil, fmt.Errorf("precompiled_charsmap: %w", err)
	}
	n.firstOnly = !orTrue(opts.Legacy)
	dec, err := newSPMDecoder(f)
	if err != nil {
		return nil, fmt.Errorf("denormalizer: precompiled_charsmap: %w", err)
	}
	dec.trim = opts.trim
	m, err := newModel(f)
	if err != nil {
		return nil, err
	}
	return &Tokenizer{normalizer: n, model: m, decoder: dec, byteFallback: f.byteFallback}, nil
}

// prepareXLMRoberta numbers the tokens as fairseq does: its special tokens first, then the pieces other than
// SentencePiece's own <unk>, <s> and </s>.
func prepareXLMRoberta(_ *tokenizerConfig, opts *classOptions) {
	opts.layout = spmLayout{before: []string{"<s>", "<pad>", "</s>", "<unk>"}, from: 3}
}

// prepareCamembert numbers the tokens as fairseq does for CamemBERT.
func prepareCamembert(_ *tokenizerConfig, opts *classOptions) {
	opts.layout = spmLayout{before: []string{"<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"}, from: 1}
}

// prepareT5 adds the sentinels <extra_id_0> … after the pieces, the last one first.
func prepareT5(c *tokenizerConfig, opts *classOptions) {
	n := 100
	if opts.ExtraIDs != nil {
		n = *opts.ExtraIDs
	}
	for i := min(n, maxExtra) - 1; i >= 0; i-- {
		token := fmt.Sprintf("<extra_id_%d>", i)
		opts.layout.after = append(opts.layout.after, token)
		c.Additional = append(c.Additional, specialToken{addedToken: addedToken{Content: &token, Special: true}})
	}
}

// maxExtra bounds how many extra tokens a configuration may ask for.
const maxExtra = 1 << 12

// preparePegasus puts Pegasus's special tokens before the pieces.
func preparePegasus(c *tokenizerConfig, opts *classOptions) {
	n := 103
	if opts.Offset != nil {
		n = *opts.Offset
	}
	before := []string{"<pad>", "</s>", "<mask_1>", "<mask_2>"}
	for i := 2; i < min(n, maxExtra); i++ {
		before = append(before, fmt.Sprintf("<unk_%d>", i))
	}
	opts.layout = spmLayout{before: before, from: 2}
	for _, token := range before[2:] {
		c.Additional = append(c.Additional, specialToken{addedToken: addedToken{Content: &token, Special: true}})
	}
}
