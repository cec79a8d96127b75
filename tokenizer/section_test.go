package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// plain hides that a pre-tokenizer is a wordSplitter.
type plain struct{ preTokenizer }

// sectioned is a byte-level tokenizer with some merges, behind a pre-tokenizer.
func sectioned(t *testing.T, preTokenizer string, merges ...string) *Tokenizer {
	t.Helper()
	vocab := map[string]int{}
	for _, r := range byteToRune {
		vocab[string(r)] = len(vocab)
	}
	for _, m := range merges {
		vocab[strings.ReplaceAll(m, " ", "")] = len(vocab)
	}
	model, err := json.Marshal(map[string]any{"type": "BPE", "vocab": vocab, "merges": append([]string{}, merges...)})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(fmt.Appendf(nil, `{"pre_tokenizer": %s, "model": %s, "added_tokens": [{"id": %d, "content": "<|x|>", "special": true}]}`, preTokenizer, model, len(vocab)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// longText is a text of several sections, of all that pre-tokenizers split.
func longText(rng *rand.Rand) string {
	words := []string{"the", "then", "don't", "we'LL", "x", "Größe", "漢字", "語", "12345", "3.14", "…", "--", "(a)", "é", "\u00a0", "<|x|>", "'s", "٣"}
	spaces := []string{" ", " ", " ", "  ", "\n", "\n\n", " \n ", "\t", "\r\n", "", "   \n\n  "}
	var b strings.Builder
	for b.Len() < 4*sectionBytes {
		b.WriteString(words[rng.IntN(len(words))])
		b.WriteString(spaces[rng.IntN(len(spaces))])
	}
	return b.String()
}

// TestSections checks that a long text which is encoded section by section has the tokens of the whole.
func TestSections(t *testing.T) {
	llama := `{"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false}`
	bytes := `{"type": "ByteLevel", "add_prefix_space": %t, "trim_offsets": true, "use_regex": %t}`
	merges := []string{"t h", "th e", "Ġ the", "Ġ t", "Ċ Ċ", "Ġ Ċ"}
	for name, tt := range map[string]struct {
		preTokenizer string
		merges       []string
		cut          bool // the text is cut
	}{
		"GPT-2":            {fmt.Sprintf(bytes, false, true), merges, true},
		"GPT-2, prefix":    {fmt.Sprintf(bytes, true, true), merges, true},
		"Llama 3":          {`{"type": "Sequence", "pretokenizers": [` + llama + "," + fmt.Sprintf(bytes, false, false) + `]}`, merges, true},
		"SmolLM":           {`{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, ` + fmt.Sprintf(bytes, false, true) + `]}`, merges, true},
		"words after":      {`{"type": "Sequence", "pretokenizers": [` + fmt.Sprintf(bytes, false, false) + "," + llama + `]}`, merges, false},
		"BERT":             {`{"type": "BertPreTokenizer"}`, merges, true},
		"bytes":            {fmt.Sprintf(bytes, false, false), nil, true},
		"bytes and merges": {fmt.Sprintf(bytes, false, false), merges, false},
	} {
		tok := sectioned(t, tt.preTokenizer, tt.merges...)
		whole := *tok
		whole.preTokenizers = nil
		for _, pt := range tok.preTokenizers {
			whole.preTokenizers = append(whole.preTokenizers, plain{pt})
		}
		if cut := tok.sectionBreaks(false) != ""; cut != tt.cut {
			t.Errorf("%s: the text is cut: %t", name, cut)
		}
		for seed := range uint64(1) {
			text := longText(rand.New(rand.NewPCG(seed, 0)))
			want, got := whole.EncodePlus(text, false), tok.EncodePlus(text, false)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %d tokens, want %d, or others", name, len(got.IDs), len(want.IDs))
			}
			var ids []int32
			parts := 0
			for part := range tok.EncodeParts(text) {
				ids = append(ids, part...)
				parts++
			}
			if !slices.Equal(ids, want.IDs) || !slices.Equal(tok.Encode(text, false), want.IDs) || (parts > 2) != tt.cut {
				t.Errorf("%s: %d parts with %d tokens, want %d", name, parts, len(ids), len(want.IDs))
			}
		}
	}
}
