package tokenizer

import (
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

// FuzzEncodeDecode holds every golden tokenizer to what must be true of any text.
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
			e := tk.EncodeFull(text, true)
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
