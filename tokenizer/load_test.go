package tokenizer

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// smallVocabTxt and smallVocabJSON are the files of small tokenizers.
const smallVocabTxt = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\na\nA\n"

func smallVocabJSON(t *testing.T, more ...string) string {
	t.Helper()
	tokens := map[string]int{}
	for b, r := range byteToRune {
		tokens[string(r)] = b
	}
	for _, token := range more {
		tokens[token] = len(tokens)
	}
	raw, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestLoadErrors(t *testing.T) {
	spm := string(smallSPM(1, nil).raw)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"class", map[string]string{"vocab.txt": smallVocabTxt, "tokenizer_config.json": `{"tokenizer_class": "XLNetTokenizer"}`}, `"XLNetTokenizer" wants a tokenizer.json`},
		{"model type", map[string]string{"vocab.txt": smallVocabTxt, "config.json": `{"model_type": "roformer"}`}, `"roformer" wants a tokenizer.json`},
		{"config.json", map[string]string{"vocab.txt": smallVocabTxt, "config.json": `[]`}, "config.json"},
		{"files of another class", map[string]string{"spiece.model": spm, "config.json": `{"model_type": "bert"}`}, "vocab.txt"},
		{"no model of a class", map[string]string{"vocab.txt": smallVocabTxt, "config.json": `{"model_type": "t5"}`}, "no SentencePiece model there"},
		{"option", map[string]string{"vocab.txt": smallVocabTxt, "tokenizer_config.json": `{"do_lower_case": "yes"}`}, "do_lower_case"},
		{"basic", map[string]string{"vocab.txt": smallVocabTxt, "tokenizer_config.json": `{"do_basic_tokenize": false}`}, "do_basic_tokenize is false"},
		{"empty vocab.txt", map[string]string{"vocab.txt": "\n\n"}, "vocab.txt: has no tokens"},
		{"no unknown token", map[string]string{"vocab.txt": "a\nb\n"}, `unk_token "[UNK]" is not in the vocab`},
		{"no merges", map[string]string{"vocab.json": smallVocabJSON(t)}, "merges.txt"},
		{"one token a line", map[string]string{"vocab.json": smallVocabJSON(t), "merges.txt": "#version: 0.2\nab\n"}, `merges.txt: line 2 is "ab"`},
		{"other merges", map[string]string{"vocab.json": smallVocabJSON(t), "merges.txt": "a b\n"}, `makes "ab", which is not in the vocab`},
		{"no byte level", map[string]string{"vocab.json": `{"a": 0, "b": 1, "ab": 2}`, "merges.txt": "a b\n"}, "byte-level alphabet"},
		{"id far out", map[string]string{"vocab.json": `{"a": 1000000000}`, "merges.txt": ""}, "out of range"},
		{"added tokens", map[string]string{"vocab.txt": smallVocabTxt, "added_tokens.json": `{"x": 5}`}, `id 5 of "x" belongs to "ab"`},
		{"no target", map[string]string{"source.spm": spm, "vocab.json": `{"<unk>": 0, "a": 1, "</s>": 2}`, "config.json": "{}"}, "target.spm"},
		{"no vocabulary", map[string]string{"source.spm": spm}, "vocab.json"},
		{"no unknown in Marian", map[string]string{"source.spm": spm, "vocab.json": `{"a": 1}`}, `the unknown piece is "<unk>"`},
		{"another model's vocabulary", map[string]string{"source.spm": spm, "vocab.json": `{"<unk>": 0, "x": 1}`}, "different models"},
		{"no target vocabulary", map[string]string{"source.spm": spm, "target.spm": spm, "vocab.json": `{"<unk>": 0, "a": 1}`, "tokenizer_config.json": `{"separate_vocabs": true}`}, "target_vocab.json"},
		{"other pieces", map[string]string{"sentencepiece.bpe.model": string(new(spmBytes).piece("<pad>", 0, controlPiece).piece("<unk>", 0, unknownPiece).piece("x", 0, normalPiece).raw),
			"config.json": `{"model_type": "xlm-roberta"}`}, `piece 2 is "x", want one of`},
		{"no language", map[string]string{"sentencepiece.bpe.model": string(new(spmBytes).piece("<unk>", 0, unknownPiece).piece("<s>", 0, controlPiece).piece("</s>", 0, controlPiece).piece("a", 0, normalPiece).raw),
			"tokenizer_config.json": `{"tokenizer_class": "NllbTokenizer", "src_lang": "eng_Latin"}`}, `no token "eng_Latin" for the language of texts`},
		{"few pieces", map[string]string{"sentencepiece.bpe.model": string(new(spmBytes).piece("<unk>", 0, unknownPiece).raw), "config.json": `{"model_type": "xlm-roberta"}`}, "1 pieces, want 3"},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			write(t, dir, name, text)
		}
		_, err := Load(dir)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "tokenizer: load "+dir) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// TestErrorsToTellApart loads folders that are wrong in each of the ways that a caller can tell apart.
func TestErrorsToTellApart(t *testing.T) {
	sentinels := []error{ErrNoTokenizer, ErrUnsupported, fs.ErrNotExist}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  error // of sentinels; nil: none of them
	}{
		{"empty folder", nil, ErrNoTokenizer},
		{"part", map[string]string{"tokenizer.json": strings.Replace(smallBPE, `"NFC"`, `"NFX"`, 1)}, ErrUnsupported},
		{"field", map[string]string{"tokenizer.json": strings.Replace(smallBPE, `"NFC"`, `"NFC", "x": 1`, 1)}, ErrUnsupported},
		{"regular expression", map[string]string{"tokenizer.json": strings.Replace(smallBPE, `"x+"`, `"[a&&b]"`, 1)}, ErrUnsupported},
		{"behavior", map[string]string{"tokenizer.json": strings.Replace(smallBPE, `"Removed"`, `"Dropped"`, 1)}, ErrUnsupported},
		{"class", map[string]string{"tokenizer_config.json": `{"tokenizer_class": "XLNetTokenizer"}`}, ErrUnsupported},
		{"model type", map[string]string{"config.json": `{"model_type": "roformer"}`}, ErrUnsupported},
		{"kind of SentencePiece", map[string]string{"spiece.model": string(smallSPM(3, nil).raw)}, ErrUnsupported},
		{"missing file", map[string]string{"vocab.json": smallVocabJSON(t)}, fs.ErrNotExist},
		{"missing model", map[string]string{"config.json": `{"model_type": "t5"}`}, fs.ErrNotExist},
		{"damaged", map[string]string{"tokenizer.json": smallBPE[:100]}, nil},
		{"contradiction", map[string]string{"tokenizer.json": strings.Replace(smallBPE, `"b": 2`, `"b": 1`, 1)}, nil},
	} {
		fsys := fstest.MapFS{}
		for name, text := range c.files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		_, err := LoadFS(fsys)
		if err == nil {
			t.Errorf("%s: no error", c.name)
		}
		for _, s := range sentinels {
			if errors.Is(err, s) != errors.Is(c.want, s) {
				t.Errorf("%s: error %v is %q: %t", c.name, err, s, errors.Is(err, s))
			}
		}
	}
}

func TestLoadFS(t *testing.T) {
	tk, err := LoadFS(fstest.MapFS{"vocab.txt": {Data: []byte(smallVocabTxt)}, "tokenizer_config.json": {Data: []byte(`{"tokenizer_class": "BertTokenizer"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, 0, "", "ids", tk.Encode("abc", true), []int32{2, 5, 6, 3})
}

// TestLoadByFiles loads folders that do not say what they are.
func TestLoadByFiles(t *testing.T) {
	spm := string(smallSPM(2, nil).raw)
	marian := `{"</s>": 0, "<unk>": 1, "▁ab": 2, "b": 3, ">>x<<": 4, "<pad>": 5}`
	roberta := smallVocabJSON(t, "<s>", "</s>", "<unk>", "<pad>", "ab")
	for _, c := range []struct {
		name       string
		files      map[string]string
		text       string
		ids, words []int32 // of the text, and of its words
	}{
		{"BERT", map[string]string{"vocab.txt": smallVocabTxt}, "abc A[MASK]", []int32{2, 5, 6, 7, 4, 3}, []int32{2, 5, 6, 7, 4, 3}},
		{"BERT, cased", map[string]string{"vocab.txt": strings.ReplaceAll(smallVocabTxt, "\n", "\r\n"), "tokenizer_config.json": `{"do_lower_case": false}`}, "abc A", []int32{2, 5, 6, 8, 3}, []int32{2, 5, 6, 8, 3}},
		{"BERT, added_tokens.json", map[string]string{"vocab.txt": smallVocabTxt, "added_tokens.json": `{"<x>": 9}`}, "ab<x>a", []int32{2, 5, 9, 7, 3}, []int32{2, 5, 9, 7, 3}},
		{"RoBERTa", map[string]string{"vocab.json": roberta, "merges.txt": "a b"}, "ab b", []int32{256, 260, ' ', 'b', 257}, []int32{256, ' ', 260, ' ', 'b', 257}},
		{"GPT-2", map[string]string{"vocab.json": smallVocabJSON(t, "ab"), "merges.txt": "a b\n"}, "ab b", []int32{256, ' ', 'b'}, []int32{' ', 256, ' ', 'b'}},
		{"SentencePiece", map[string]string{"tokenizer.model": spm}, "ab<s> b", []int32{7, 0, 3, 5}, []int32{7, 0, 3, 5}},
		{"Marian", map[string]string{"source.spm": spm, "target.spm": spm, "vocab.json": marian}, ">>x<<ab ba", []int32{4, 2, 1, 3, 1, 0}, []int32{4, 2, 1, 3, 1, 0}},
		{"Marian, as it is", map[string]string{"source.spm": spm, "vocab.json": marian}, "ab ba", []int32{2, 1, 3, 1}, []int32{2, 1, 3, 1}},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			write(t, dir, name, text)
		}
		tk, err := Load(dir)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		same(t, 0, c.name, "ids", tk.Encode(c.text, true), c.ids)
		same(t, 0, c.name, "ids of words", tk.EncodeWords(strings.Fields(c.text), true).IDs, c.words)
	}
}

// TestSpecialAndWords checks what fine-tuning needs of an encoding.
func TestSpecialAndWords(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "vocab.txt", smallVocabTxt)
	tk, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := tk.EncodePair("abc a", "[MASK] x", true)
	same(t, 0, "", "ids", e.IDs, []int32{2, 5, 6, 7, 3, 4, 1, 3})
	same(t, 0, "", "type ids", e.TypeIDs, []int32{0, 0, 0, 0, 0, 1, 1, 1})
	same(t, 0, "", "offsets", e.Offsets, [][2]int{{0, 0}, {0, 2}, {2, 3}, {4, 5}, {0, 0}, {0, 6}, {7, 8}, {0, 0}})
	same(t, 0, "", "words", e.WordIDs, []int32{-1, 0, 0, 1, -1, 0, 1, -1})
	same(t, 0, "", "special", e.SpecialTokensMask, []bool{true, false, false, false, true, false, false, true})
	e = tk.EncodeWords([]string{"a", "abc", "\u200b", "a-b"}, true)
	same(t, 0, "", "words of a list", e.WordIDs, []int32{-1, 0, 1, 1, 3, 3, 3, -1})
	same(t, 0, "", "offsets in words", e.Offsets, [][2]int{{0, 0}, {0, 1}, {0, 2}, {2, 3}, {0, 1}, {1, 2}, {2, 3}, {0, 0}})
	for _, c := range []struct {
		name string
		get  func() (int32, bool)
		want int32
	}{{"CLS", tk.CLS, 2}, {"SEP", tk.SEP, 3}, {"Mask", tk.Mask, 4}, {"Pad", tk.Pad, 0}, {"Unk", tk.Unk, 1}} {
		if id, ok := c.get(); !ok || id != c.want || !tk.IsSpecial(id) {
			t.Errorf("%s is %d, %v, special %v; want %d", c.name, id, ok, tk.IsSpecial(id), c.want)
		}
	}
	if _, ok := tk.BOS(); ok || tk.IsSpecial(5) || tk.Target() != tk {
		t.Error("BERT has no BOS, ab is no special token, and there is one tokenizer for both sides")
	}
	if e := tk.EncodeWords(nil, true); len(e.IDs) != 2 || len(e.WordIDs) != 2 {
		t.Errorf("no words: %+v", e)
	}
}
