package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/wording"
)

// buildByteLevel reads GPT-2's files: vocab.json has the ids of the tokens, merges.txt one merge a line, the first to
// apply first.
func buildByteLevel(d folder, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	vocabJSON, err := d.read("vocab.json")
	if err != nil {
		return nil, err
	}
	merges, err := d.read("merges.txt")
	if err != nil {
		return nil, err
	}
	t, err := newByteLevel(vocabJSON, merges, opts)
	if err != nil {
		return nil, err
	}
	if c.Cls != nil && orTrue(opts.TrimOffsets) { // RoBERTa and BART
		t.post.trims = []trimmer{{orFalse(opts.AddPrefixSpace)}}
	}
	return t, nil
}

// buildQwen2 reads the same files for Qwen 2 and 3, which compose characters first and cut words in a way of their own.
func buildQwen2(d folder, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	t, err := buildByteLevel(d, c, opts)
	if err != nil {
		return nil, err
	}
	pattern, err := llamacpp.Pattern("qwen2")
	if err != nil {
		return nil, err
	}
	split, err := newWordSplit(pattern)
	if err != nil {
		return nil, err
	}
	t.normalizer = unicodeForms["NFC"]
	t.preTokenizers = []preTokenizer{split, byteLevelSplit{orFalse(opts.AddPrefixSpace), false}}
	return t, nil
}

// newByteLevel makes a byte-level BPE that splits words as GPT-2 does.
func newByteLevel(vocabJSON, mergesTxt []byte, opts *classOptions) (*Tokenizer, error) {
	var c bpeConfig
	if err := json.Unmarshal(vocabJSON, &c.Vocab); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	var err error
	if c.Merges, err = parseMergesTxt(mergesTxt); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	m, err := newBPE(&c, "vocab.json with merges.txt", modelTraits{byteLevel: true})
	if err != nil {
		return nil, err
	}
	if !m.knowsByteLevel() {
		return nil, fmt.Errorf("vocab.json: not all of the 256 characters of the byte-level alphabet are tokens; is this another kind of BPE?")
	}
	return &Tokenizer{
		preTokenizers: []preTokenizer{byteLevelSplit{orFalse(opts.AddPrefixSpace), true}},
		model:         m,
		decoder:       decodeFunc(decodeByteLevel),
	}, nil
}

// parseMergesTxt reads two tokens a line, with one space between them. Lines that are empty or begin with #version do
// not count.
func parseMergesTxt(raw []byte) (mergeList, error) {
	var merges mergeList
	number := 0
	for line := range strings.SplitSeq(string(raw), "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || a == "" || b == "" || strings.Contains(b, " ") {
			return nil, fmt.Errorf("line %d is %q, want two tokens and one space between them", number, wording.Clip(line, 30))
		}
		merges = append(merges, [2]string{a, b})
	}
	return merges, nil
}
