package tokenizer

import (
	"fmt"
	"strings"
)

// buildWordPiece reads BERT's vocab.txt: one token a line, numbered from 0.
func buildWordPiece(d folder, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	const name = "vocab.txt"
	raw, err := d.read(name)
	if err != nil {
		return nil, err
	}
	return newBERT(raw, c, opts)
}

// newBERT makes BERT's tokenizer with the vocabulary of a vocab.txt.
func newBERT(vocabTxt []byte, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	if opts.BasicTokenize != nil && !*opts.BasicTokenize {
		return nil, fmt.Errorf("tokenizer_config.json: do_basic_tokenize is false, which is %w", ErrUnsupported)
	}
	v, err := parseVocabTxt(vocabTxt)
	if err != nil {
		return nil, fmt.Errorf("vocab.txt: %w", err)
	}
	m, err := newWordPiece(v, *c.Unk.Content, "##", 100, "vocab.txt")
	if err != nil {
		return nil, err
	}
	return &Tokenizer{
		normalizer:    bertNormalizer{Clean: true, Chinese: orTrue(opts.Chinese), Accents: opts.StripAccents, Lower: orTrue(opts.LowerCase)},
		preTokenizers: []preTokenizer{wordSplit{splitBert}},
		model:         m,
		decoder:       newWordPieceDecoder("##", true),
	}, nil
}

// parseVocabTxt reads one token a line. An empty line takes up an id but has no token. Of equal lines the last one
// counts, as in transformers.
func parseVocabTxt(raw []byte) (*vocab, error) {
	text := strings.TrimSuffix(validUTF8(string(raw)), "\n")
	lines := strings.Split(text, "\n")
	v := &vocab{ids: make(map[string]int32, len(lines)), tokens: make([]string, len(lines)), used: make([]bool, len(lines))}
	for i, line := range lines {
		token := strings.TrimSuffix(line, "\r")
		if token == "" {
			continue
		}
		if old, ok := v.ids[token]; ok {
			v.tokens[old], v.used[old] = "", false
		}
		v.ids[token], v.tokens[i], v.used[i] = int32(i), token, true
	}
	if len(v.ids) == 0 {
		return nil, fmt.Errorf("has no tokens")
	}
	return v, nil
}

// buildMPNet reads the same file for MPNet. Offsets leave out white space, as RoBERTa's do.
func buildMPNet(d folder, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	t, err := buildWordPiece(d, c, opts)
	if err != nil {
		return nil, err
	}
	t.post.trims = []trimmer{{}}
	return t, nil
}
