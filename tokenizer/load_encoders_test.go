package tokenizer

import (
	"strings"
	"testing"
	"testing/fstest"
)

// encoderSPM is a SentencePiece model with the special pieces of DeBERTa and ALBERT.
func encoderSPM(unk string) *spmBytes {
	var b spmBytes
	b.piece(unk, 0, unknownPiece).piece("[CLS]", 0, controlPiece).piece("[SEP]", 0, controlPiece).piece("[PAD]", 0, controlPiece).piece("<pad>", 0, controlPiece)
	for _, p := range []struct {
		text  string
		score float32
	}{{"▁", -5}, {"a", -6}, {"b", -6}, {"ab", -4}, {"▁ab", -2}, {"9", -5}, {",", -5}, {"9,", -3}, {"▁9", -3}, {`"`, -5}} {
		b.piece(p.text, p.score, normalPiece)
	}
	return &b
}

// TestEncoderFolders loads folders of DeBERTa, ALBERT, MPNet and M2M-100 with no more than the files that they must have.
func TestEncoderFolders(t *testing.T) {
	deberta, albert := string(encoderSPM("[UNK]").raw), string(encoderSPM("<unk>").raw)
	const mpnet = "<s>\n<pad>\n</s>\n[UNK]\nab\n##c\n<mask>\n"
	m2m := string(new(spmBytes).piece("<unk>", 0, unknownPiece).piece("▁a", -1, normalPiece).piece("b", -2, normalPiece).raw)
	vocab := `{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "b": 4, "▁a": 5}`
	for _, tt := range []struct {
		name  string
		files map[string]string
		text  string
		want  []int32
	}{
		{"DeBERTa", map[string]string{"spm.model": deberta}, "ab [MASK](AB", []int32{1, 9, 15, 5, 0, 2}},
		{"DeBERTa in lower case", map[string]string{"spm.model": deberta, "tokenizer_config.json": `{"do_lower_case": true}`}, "AB", []int32{1, 9, 2}},
		{"DeBERTa, split at punctuation", map[string]string{"spm.model": deberta, "tokenizer_config.json": `{"split_by_punct": true}`}, "ab,ab", []int32{1, 9, 5, 11, 9, 2}},
		{"ALBERT", map[string]string{"spiece.model": albert, "config.json": `{"model_type": "albert"}`}, "  ÁB\u3000''  9,[MASK]", []int32{1, 9, 5, 14, 13, 11, 15, 2}},
		{"ALBERT as it is", map[string]string{"spiece.model": albert, "tokenizer_config.json": `{"tokenizer_class": "AlbertTokenizer", "do_lower_case": false, "keep_accents": true, "remove_space": false}`},
			"áB ab", []int32{1, 5, 0, 9, 2}},
		{"MPNet", map[string]string{"vocab.txt": mpnet, "config.json": `{"model_type": "mpnet"}`}, "ABC <mask>", []int32{0, 4, 5, 6, 2}},
		{"M2M-100", map[string]string{"sentencepiece.bpe.model": m2m, "vocab.json": vocab}, "ab__de__a", []int32{24, 5, 4, 22, 5, 2}},
		{"M2M-100 of WMT 21", map[string]string{"sentencepiece.bpe.model": m2m, "vocab.json": vocab, "config.json": `{"model_type": "m2m_100"}`,
			"tokenizer_config.json": `{"language_codes": "wmt21", "src_lang": "de"}`}, "ab", []int32{13, 5, 4, 2}},
	} {
		tk, err := loadFiles(tt.files)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		same(t, 0, tt.name, "ids", tk.Encode(tt.text, true), tt.want)
		same(t, 0, tt.name, "ids (full)", tk.EncodePlus(tt.text, true).IDs, tt.want)
	}
}

func loadFiles(files map[string]string) (*Tokenizer, error) {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return LoadFS(fsys)
}

// TestLanguages: what stands before a text and before a target are their languages.
func TestLanguages(t *testing.T) {
	tk, err := loadFiles(map[string]string{
		"sentencepiece.bpe.model": string(new(spmBytes).piece("<unk>", 0, unknownPiece).piece("▁a", -1, normalPiece).raw),
		"vocab.json":              `{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "▁a": 4}`,
		"tokenizer_config.json":   `{"tokenizer_class": "M2M100Tokenizer", "src_lang": "de", "tgt_lang": "fr"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	german, _ := tk.ID("__de__")
	french, _ := tk.ID("__fr__")
	same(t, 0, "a", "source", tk.Encode("a", true), []int32{german, 4, 2})
	same(t, 0, "a", "target", tk.Target().Encode("a", true), []int32{french, 4, 2})
	if got := tk.Decode([]int32{french, 4, 2}, true); got != "a" || !tk.IsSpecial(french) {
		t.Errorf("decoded %q, special %t", got, tk.IsSpecial(french))
	}
}

func TestEncoderFolderErrors(t *testing.T) {
	m2m := string(new(spmBytes).piece("<unk>", 0, unknownPiece).piece("▁a", -1, normalPiece).raw)
	bpe := string(encoderSPM("<unk>").message(2, func(s *spmBytes) { s.number(3, 2) }).raw)
	const vocab = `{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "▁a": 4}`
	class := func(name, more string) string { return `{"tokenizer_class": "` + name + `"` + more + `}` }
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no spm.model", map[string]string{"tokenizer_config.json": class("DebertaV2Tokenizer", "")}, "spm.model"},
		{"no pieces", map[string]string{"spm.model": "", "config.json": `{"model_type": "deberta-v2"}`}, "spm.model: 0 of 0 pieces have the type unknown"},
		{"no [CLS]", map[string]string{"spm.model": m2m, "tokenizer_config.json": class("DebertaV2Tokenizer", `, "cls_token": ""`)}, "the model has no cls_token"},
		{"split_by_punct", map[string]string{"spm.model": m2m, "tokenizer_config.json": class("DebertaV2Tokenizer", `, "split_by_punct": 3`)}, "split_by_punct"},
		{"no spiece.model", map[string]string{"tokenizer_config.json": class("AlbertTokenizer", "")}, "spiece.model"},
		{"ALBERT in BPE", map[string]string{"spiece.model": bpe, "tokenizer_config.json": class("AlbertTokenizer", "")}, "spiece.model: model_type 2 is not supported for ALBERT; want 1 (Unigram)"},
		{"MPNet without [UNK]", map[string]string{"vocab.txt": "<s>\n</s>\n<pad>\n", "tokenizer_config.json": class("MPNetTokenizer", "")}, `unk_token "[UNK]" is not in the vocab`},
		{"no vocab.json", map[string]string{"sentencepiece.bpe.model": m2m, "tokenizer_config.json": class("M2M100Tokenizer", "")}, "vocab.json"},
		{"no sentencepiece.bpe.model", map[string]string{"vocab.json": vocab, "tokenizer_config.json": class("M2M100Tokenizer", "")}, "sentencepiece.bpe.model"},
		{"languages", map[string]string{"tokenizer_config.json": class("M2M100Tokenizer", `, "language_codes": "wmt20"`)}, `no language_codes "wmt20"; did you mean wmt21?`},
		{"source", map[string]string{"tokenizer_config.json": class("M2M100Tokenizer", `, "src_lang": "en_XX"`)}, `no language "en_XX"; known are af, am, `},
		{"target", map[string]string{"tokenizer_config.json": class("M2M100Tokenizer", `, "tgt_lang": "__de__"`)}, `no language "__de__"`},
		{"a language among the tokens", map[string]string{"sentencepiece.bpe.model": m2m, "vocab.json": `{"<unk>": 0, "▁a": 1, "__af__": 2}`,
			"tokenizer_config.json": class("M2M100Tokenizer", "")}, `vocab.json: token "__af__" has id 2; want it left out, since it comes after all 3 tokens`},
		{"a hole", map[string]string{"sentencepiece.bpe.model": m2m, "vocab.json": `{"<unk>": 0, "▁a": 9}`, "tokenizer_config.json": class("M2M100Tokenizer", "")}, "vocab.json: vocab: id 9 belongs to "},
		{"other pieces", map[string]string{"sentencepiece.bpe.model": m2m, "vocab.json": `{"<unk>": 0, "b": 1}`, "tokenizer_config.json": class("M2M100Tokenizer", "")}, "different models"},
		{"no </s>", map[string]string{"sentencepiece.bpe.model": m2m, "vocab.json": `{"<unk>": 0, "▁a": 1}`, "tokenizer_config.json": class("M2M100Tokenizer", `, "eos_token": ""`)}, "the model has no eos_token"},
		{"NLLB's target", map[string]string{"sentencepiece.bpe.model": string(new(spmBytes).piece("<unk>", 0, unknownPiece).piece("<s>", 0, controlPiece).piece("</s>", 0, controlPiece).raw),
			"tokenizer_config.json": class("NllbTokenizer", `, "additional_special_tokens": ["eng_Latn"], "tgt_lang": "deu_Latn"`)}, `no token "deu_Latn" for the language of texts`},
	} {
		_, err := loadFiles(tt.files)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "tokenizer: load") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// FuzzEncoderFolders looks for files of DeBERTa, ALBERT and M2M-100 that make loading, or what it returns, panic.
func FuzzEncoderFolders(f *testing.F) {
	f.Add("DebertaV2Tokenizer", encoderSPM("[UNK]").raw, []byte(nil), true)
	f.Add("AlbertTokenizer", encoderSPM("<unk>").raw, []byte(nil), false)
	f.Add("M2M100Tokenizer", smallSPM(2, nil).raw, []byte(`{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "ab": 4}`), false)
	f.Fuzz(func(t *testing.T, class string, spm, vocab []byte, set bool) {
		config := `{"tokenizer_class": "` + class + `"}`
		if set {
			config = `{"tokenizer_class": "` + class + `", "do_lower_case": true, "split_by_punct": true, "remove_space": false, "src_lang": "de", "tgt_lang": "fr"}`
		}
		tk, err := LoadFS(fstest.MapFS{"spm.model": {Data: spm}, "spiece.model": {Data: spm}, "sentencepiece.bpe.model": {Data: spm}, "vocab.json": {Data: vocab},
			"tokenizer_config.json": {Data: []byte(config)}})
		if err != nil {
			return
		}
		useTokenizer(t, tk)
		useTokenizer(t, tk.Target())
	})
}

// TestNLLB: the languages have the ids after the pieces, and the mask has the one after them, as in the model's embeddings.
func TestNLLB(t *testing.T) {
	spm := string(new(spmBytes).piece("<unk>", 0, unknownPiece).piece("<s>", 0, controlPiece).piece("</s>", 0, controlPiece).piece("▁a", -1, normalPiece).raw)
	for _, tt := range []struct {
		config string
		ids    map[string]int32
		size   int
	}{
		{`{"tokenizer_class": "NllbTokenizer"}`, map[string]int32{"<unk>": 3, "▁a": 4, "ace_Arab": 5, "eng_Latn": 51, "fra_Latn": 61, "zul_Latn": 206, "<mask>": 207}, 208},
		{`{"tokenizer_class": "NllbTokenizerFast", "additional_special_tokens": ["tyv_Cyrl", "eng_Latn"], "mask_token": "<m>"}`,
			map[string]int32{"tyv_Cyrl": 5, "eng_Latn": 6, "<m>": 7}, 8},
		{`{"tokenizer_class": "NllbTokenizer", "added_tokens_decoder": {"5": {"content": "<mask>", "lstrip": true, "special": true}, "6": {"content": "eng_Latn", "special": true}}}`,
			map[string]int32{"<mask>": 5, "eng_Latn": 6}, 7},
	} {
		tk, err := loadFiles(map[string]string{"sentencepiece.bpe.model": spm, "tokenizer_config.json": tt.config})
		if err != nil {
			t.Errorf("%s: %v", tt.config, err)
			continue
		}
		for token, want := range tt.ids {
			if id, ok := tk.ID(token); !ok || id != want || tk.IsSpecial(id) != (token != "▁a") {
				t.Errorf("%s: %s has id %d, %t, special %t; want %d", tt.config, token, id, ok, tk.IsSpecial(id), want)
			}
		}
		if tk.VocabSize() != tt.size {
			t.Errorf("%s: %d tokens, want %d", tt.config, tk.VocabSize(), tt.size)
		}
		same(t, 0, "a <mask>", "ids", tk.Encode("a", true), []int32{tt.ids["eng_Latn"], 4, 2})
	}
}

// TestLanguagesOfFile: tokenizer_config.json says which languages stand around texts and targets, whatever tokenizer.json was saved with.
func TestLanguagesOfFile(t *testing.T) {
	const file = `{"model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3, "en_XX": 4, "de_DE": 5, "fr_XX": 6}},
 "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"SpecialToken": {"id": "en_XX", "type_id": 0}}],
  "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}, "en_XX": {"id": "en_XX", "ids": [4], "tokens": ["en_XX"]}}}}`
	for _, tt := range []struct {
		config       string
		text, target []int32
	}{
		{`{"tokenizer_class": "MBartTokenizer"}`, []int32{3, 1, 4}, []int32{3, 1, 4}},
		{`{"tokenizer_class": "MBartTokenizerFast", "src_lang": "de_DE", "eos_token": "</s>"}`, []int32{3, 1, 5}, []int32{3, 1, 5}},
		{`{"tokenizer_class": "MBart50Tokenizer", "src_lang": "de_DE", "tgt_lang": "fr_XX"}`, []int32{5, 3, 1}, []int32{6, 3, 1}},
		{`{"tokenizer_class": "BertTokenizer", "src_lang": "de_DE"}`, []int32{3, 1, 4}, []int32{3, 1, 4}},
	} {
		tk, err := loadFiles(map[string]string{"tokenizer.json": file, "tokenizer_config.json": tt.config})
		if err != nil {
			t.Errorf("%s: %v", tt.config, err)
			continue
		}
		same(t, 0, tt.config, "text", tk.Encode("a", true), tt.text)
		same(t, 0, tt.config, "target", tk.Target().Encode("a", true), tt.target)
	}
	_, err := loadFiles(map[string]string{"tokenizer.json": file, "tokenizer_config.json": `{"tokenizer_class": "MBartTokenizer", "tgt_lang": "xx"}`})
	if err == nil || !strings.Contains(err.Error(), `tokenizer_config.json: there is no token "xx" for the language of texts`) {
		t.Errorf("unknown language: %v", err)
	}
}
