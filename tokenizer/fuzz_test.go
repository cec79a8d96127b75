package tokenizer

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse looks for files that make Parse, or what it returns, panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(smallBPE), []byte(`{"bos_token": "<s>", "added_tokens_decoder": {"9": {"content": "x"}}}`))
	f.Add([]byte(oneModel(`{"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [["u", 0], ["a", -5.5], ["<0x20>", -1]]}`)), []byte(nil))
	f.Add([]byte(oneModel(`{"type": "WordPiece", "vocab": {"ab": 2, "u": 1, "##c": 0}, "unk_token": "u", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}`)), []byte(`{}`))
	f.Add([]byte(`{"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": true},
		"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}, {"type": "ByteLevel"}, {"type": "Punctuation"}, {"type": "Digits", "individual_digits": true}]},
		"post_processor": {"type": "RobertaProcessing", "sep": ["a", 0], "cls": ["a", 0]}, "decoder": {"type": "WordPiece", "prefix": "#", "cleanup": true},
		"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0}}}`), []byte(nil))
	f.Add([]byte(`{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "CAAAAAAAAAABAAAAYQA="}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[[:alpha:]]++|\\p{^L}{,2}"}, "behavior": "MergedWithNext", "invert": true}, "model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0}}}`), []byte(nil))
	f.Fuzz(func(t *testing.T, doc, config []byte) {
		tk, err := Parse(doc, config)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "tokenizer: ") {
				t.Errorf("error %q does not say where it is from", err)
			}
			return
		}
		e := tk.EncodePair("Hello, wörld  ab1", "<s> e\u0301\n", true)
		if len(e.Tokens) != len(e.IDs) || len(e.Offsets) != len(e.IDs) || len(e.TypeIDs) != len(e.IDs) {
			t.Errorf("%d ids, %d tokens, %d offsets, %d type ids", len(e.IDs), len(e.Tokens), len(e.Offsets), len(e.TypeIDs))
		}
		tk.Decode(tk.Encode("ab a", true), true)
	})
}

// FuzzEncodeDecode checks, with each golden tokenizer, what must be true of any text.
func FuzzEncodeDecode(f *testing.F) {
	for _, s := range []string{"", "Hello, world!", "  e\u0301 ﬁ\t<s>\r\n", "中文 😀👨\u200d👩", "\xff\xfe", "▁▁ Ġ ##x <0x41>"} {
		f.Add(s)
	}
	tokenizers := map[string]*Tokenizer{}
	for _, dir := range goldenDirs(f, "*") {
		if tk := loadGolden(f, dir); tk != nil {
			tokenizers[filepath.Base(dir)] = tk
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, tk := range tokenizers {
			e := tk.EncodePlus(text, true)
			same(t, 0, text, name+": ids, full", e.IDs, tk.Encode(text, true))
			n := utf8.RuneCountInString(text)
			for i, o := range e.Offsets {
				if o[0] < 0 || o[0] > o[1] || o[1] > n {
					t.Errorf("%s: token %d has offsets %v of %d characters", name, i, o, n)
				}
			}
			s := tk.NewStream(false)
			var got strings.Builder
			for _, id := range e.IDs {
				got.WriteString(s.Add(id))
			}
			got.WriteString(s.Flush())
			if want := tk.Decode(e.IDs, false); got.String() != want {
				t.Errorf("%s: streamed %q, decoded %q", name, got.String(), want)
			}
		}
	})
}

// useTokenizer checks what must be true of a tokenizer from a fuzzed file.
func useTokenizer(t *testing.T, tk *Tokenizer) {
	e := tk.EncodePair(">>a<< Hello, w\u00f6rld  ab1", "<s> e\u0301\n", true)
	n := len(e.IDs)
	if len(e.Tokens) != n || len(e.Offsets) != n || len(e.TypeIDs) != n || len(e.WordIDs) != n || len(e.SpecialTokensMask) != n {
		t.Errorf("%d ids, %d tokens, %d offsets, %d type ids, %d words, %d special", n, len(e.Tokens), len(e.Offsets), len(e.TypeIDs), len(e.WordIDs), len(e.SpecialTokensMask))
	}
	tk.Decode(tk.Encode("ab a", true), true)
	tk.EncodeWords([]string{"ab", "", "<s>"}, true)
}

// FuzzSPM looks for SentencePiece models that make the reader, or what it returns, panic.
func FuzzSPM(f *testing.F) {
	for _, modelType := range []uint64{1, 2, 3} {
		f.Add(smallSPM(modelType, nil).raw)
		f.Add(smallSPM(modelType, nil).piece("b\u2581a", -9, userDefinedPiece).message(3, func(s *spmBytes) {
			s.number(3, 1).number(4, 0).text(2, "\x04\x00\x00\x00\x00\x00\x00\x00x")
		}).raw)
	}
	fileCases(f, func(c *fileCase, _ string) {
		if raw := c.Files["spiece.model"]; raw != nil {
			f.Add(raw)
		}
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if tk, err := parseSmallSPM(raw); err == nil {
			useTokenizer(t, tk)
		}
	})
}

// FuzzVocabTxt looks for vocab.txt files that cause a panic.
func FuzzVocabTxt(f *testing.F) {
	f.Add([]byte("[UNK]\n[CLS]\n[SEP]\na\n##b\n\na\r\n"))
	f.Add([]byte("[UNK]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, opts, class := &tokenizerConfig{}, &classOptions{}, tokenClasses["BertTokenizer"]
		class.setDefaults(c, opts)
		tk, err := newBERT(raw, c, opts)
		if err == nil {
			err = tk.finish(class, c)
		}
		if err == nil {
			useTokenizer(t, tk)
		}
	})
}

// FuzzMergesTxt looks for merges.txt and vocab.json files that cause a panic.
func FuzzMergesTxt(f *testing.F) {
	tokens := map[string]int{"<s>": 300, "</s>": 301, "ab": 302, "\u0120a": 303}
	for b, r := range byteToRune {
		tokens[string(r)] = b
	}
	vocabJSON, err := json.Marshal(tokens)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(vocabJSON, []byte("#version: 0.2\na b\n\u0120 a\r\n\n"))
	f.Add([]byte(`{"a": 0, "b": 1}`), []byte("a b"))
	f.Fuzz(func(t *testing.T, vocabJSON, merges []byte) {
		c, opts, class := &tokenizerConfig{}, &classOptions{}, tokenClasses["RobertaTokenizer"]
		class.setDefaults(c, opts)
		tk, err := newByteLevel(vocabJSON, merges, opts)
		if err == nil {
			err = tk.finish(class, c)
		}
		if err == nil {
			useTokenizer(t, tk)
		}
	})
}
