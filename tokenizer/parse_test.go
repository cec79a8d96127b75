package tokenizer

import (
	"encoding/base64"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallBPE is a tokenizer.json with a bit of everything.
const smallBPE = `{
	"version": "1.0", "truncation": null, "padding": null,
	"added_tokens": [{"id": 6, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
	"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "x+"}, "content": "a"}]},
	"pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": false},
	"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
		"pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
		"special_tokens": {"<s>": {"id": "<s>", "ids": [6], "tokens": ["<s>"]}}},
	"decoder": {"type": "Fuse"},
	"model": {"type": "BPE", "unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5}, "merges": ["a b", "ab c"]}
}`

func TestParseSmall(t *testing.T) {
	tk, err := Parse([]byte(smallBPE), nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, 0, "", "ids", tk.Encode("abc <s> xxab d", true), []int32{6, 5, 6, 1, 4, 0})
	if tk.VocabSize() != 7 {
		t.Errorf("VocabSize is %d, want 7", tk.VocabSize())
	}
	if id, ok := tk.Unk(); id != 0 || !ok {
		t.Errorf("Unk is %d, %v, want 0", id, ok)
	}
}

// TestParseErrors changes smallBPE, and looks for what the error must say.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"version", `"1.0"`, `"2.0"`, `version "2.0"`},
		{"version type", `"1.0"`, `1`, "version"},
		{"section", `"truncation": null`, `"trunc": 1, "foo": 2`, "fields not supported: foo, trunc"},
		{"truncation type", `"truncation": null`, `"truncation": 5`, "truncation: want an object"},
		{"normalizer kind", `{"type": "NFC"}`, `{"type": "NFX"}`, `normalizer.normalizers[0]: type "NFX" is not supported; known: Bert`},
		{"normalizer without kind", `{"type": "NFC"}`, `{}`, `normalizers[0]: has no "type"`},
		{"normalizer null", `{"type": "NFC"}`, `null`, `normalizers[0]: has no "type"`},
		{"normalizer extra field", `{"type": "NFC"}`, `{"type": "NFC", "b": 1, "a": 2}`, "fields not supported: a, b"},
		{"replace without content", `, "content": "a"`, ``, "fields missing: content"},
		{"regex", `"x+"`, `"(x"`, `regular expression "(x"`},
		{"regex set", `"x+"`, `"[a&&b]"`, "intersection"},
		{"regex property", `"x+"`, `"\\p{Nonsense}"`, `\p{Nonsense}`},
		{"regex group", `"x+"`, `"(?~x)"`, "not supported"},
		{"pattern", `{"String": " "}`, `{"Glob": " "}`, "pre_tokenizer.pattern: fields not supported: Glob"},
		{"behavior", `"Removed"`, `"Dropped"`, `behavior "Dropped"`},
		{"pre-tokenizer kind", `"type": "Split"`, `"type": "Cut"`, `pre_tokenizer: type "Cut" is not supported`},
		{"template token", `"SpecialToken": {"id": "<s>"`, `"SpecialToken": {"id": "<t>"`, `post_processor.single[0]: SpecialToken "<t>"`},
		{"template sequence", `"Sequence": {"id": "A", "type_id": 0}}],`, `"Sequence": {"id": "B", "type_id": 0}}],`, `post_processor.single[1]: Sequence "B"`},
		{"template id", `"ids": [6]`, `"ids": [77]`, "id 77, which no token has"},
		{"template lengths", `"ids": [6]`, `"ids": [6, 0]`, "2 ids and 1 tokens"},
		{"template type", `"type_id": 1`, `"type_id": -1`, "type_id is -1"},
		{"decoder kind", `"Fuse"`, `"Melt"`, `decoder: type "Melt"`},
		{"model kind", `"BPE"`, `"NGram"`, `model: type "NGram" is not supported`},
		{"model missing", `"model"`, `"modell"`, "modell"},
		{"vocab negative", `"a": 1`, `"a": -1`, `id -1 of "a" is out of range`},
		{"vocab huge", `"a": 1`, `"a": 99999999999`, `id 99999999999 of "a" is out of range`},
		{"vocab sparse", `"a": 1`, `"a": 1000000`, `id 1000000 of "a" is out of range for 6 tokens`},
		{"vocab fraction", `"a": 1`, `"a": 1.5`, `id of "a"`},
		{"vocab text", `"a": 1`, `"a": "1"`, `id of "a"`},
		{"vocab null", `"a": 1`, `"a": null`, `id of "a"`},
		{"vocab id twice", `"b": 2`, `"b": 1`, `id 1 belongs to`},
		{"vocab token twice", `"b": 2`, `"a": 2`, `token "a" is listed twice`},
		{"vocab list", `{"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5}`, `["a"]`, "vocab: want an object"},
		{"merge unknown", `"a b", "ab c"`, `"a b", "ab d"`, `merges[1] is ("ab", "d"), but "d" is not in the vocab`},
		{"merge result", `"a b", "ab c"`, `"b a"`, `merges[0] makes "ba"`},
		{"merge form", `"a b", "ab c"`, `"a b c"`, `merges[0] is "a b c"`},
		{"merge pair", `"a b", "ab c"`, `["a"]`, "merges[0] has 1 tokens, want 2"},
		{"merge type", `"a b", "ab c"`, `{"a": "b"}`, "merges: want a list"},
		{"unk", `"unk_token": "<unk>"`, `"unk_token": "<u>"`, `unk_token "<u>" is not in the vocab`},
		{"dropout", `"unk_token": "<unk>"`, `"dropout": 0.1`, "dropout is 0.1"},
		{"added id out of range", `"id": 6`, `"id": -6`, `added_tokens[0]: id -6 of "<s>" is out of range`},
		{"added id huge", `"id": 6`, `"id": 4294967296`, `added_tokens[0]: id 4294967296 of "<s>" is out of range`},
		{"added id taken", `"id": 6, "content"`, `"id": 5, "content"`, `id 5 of "<s>" belongs to "abc"`},
		{"added id differs", `"content": "<s>"`, `"content": "a"`, `id of "a" is 6, but the model's vocab says 1`},
		{"added without content", `"content": "<s>", "single_word"`, `"single_word"`, "added_tokens[0]: fields missing: content"},
		{"added flag", `"lstrip": false`, `"lstrip": "no"`, "added_tokens[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := strings.Replace(smallBPE, c.old, c.new, 1)
			if doc == smallBPE {
				t.Fatalf("%q is not in the document", c.old)
			}
			wantError(t, doc, c.want)
		})
	}
}

func wantError(t *testing.T, doc, want string) {
	t.Helper()
	_, err := Parse([]byte(doc), nil)
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "tokenizer: ") {
		t.Errorf("error is\n%v\nwant in it\n%s", err, want)
	}
}

// TestParseTruncated cuts a file at every byte.
func TestParseTruncated(t *testing.T) {
	for n := range len(smallBPE) - 1 {
		if _, err := Parse([]byte(smallBPE[:n]), nil); err == nil {
			t.Fatalf("the first %d bytes are accepted", n)
		}
	}
}

// oneModel is a tokenizer.json that has only a model.
func oneModel(model string) string { return `{"model": ` + model + `}` }

func TestParseModelErrors(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{`{"type": "Unigram", "unk_id": null, "vocab": [["a", -1]]}`, "unk_id is null"},
		{`{"type": "Unigram", "unk_id": 1, "vocab": [["a", -1]]}`, "unk_id 1 is out of range, the vocab has 1"},
		{`{"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}`, "want [token, score]"},
		{`{"type": "Unigram", "unk_id": 0, "vocab": [["a", "b"]]}`, `score of "a"`},
		{`{"type": "Unigram", "unk_id": 0, "vocab": {"a": 0}}`, "model"},
		{`{"type": "WordLevel", "unk_token": "u", "vocab": {"a": 0}}`, `unk_token "u" is not in the vocab`},
		{`{"type": "WordPiece", "unk_token": "u", "vocab": {"a": 0}, "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}`, `unk_token "u"`},
		{`{"type": "WordPiece", "unk_token": "a", "vocab": {"a": 0}}`, "fields missing: continuing_subword_prefix, max_input_chars_per_word"},
		{`{"vocab": {}}`, `has no "type"`},
		{`[]`, "want an object"},
	} {
		wantError(t, oneModel(c.model), c.want)
	}
}

// TestModelWithoutType reads files from the time before models had a type.
func TestModelWithoutType(t *testing.T) {
	for _, model := range []string{
		`{"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}`,
		`{"vocab": {"ab": 2, "u": 1}, "unk_token": "u", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}`,
		`{"vocab": [["u", 0], ["a", -5], ["ab", -1]], "unk_id": 0}`,
		`{"vocab": {"ab": 2, "u": 1}, "unk_token": "u"}`,
	} {
		tk, err := Parse([]byte(oneModel(model)), nil)
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		same(t, 0, model, "ids", tk.Encode("ab", true), []int32{2})
	}
}

func TestPrecompiledErrors(t *testing.T) {
	blob := func(size uint32, rest ...byte) string {
		raw := append(binary.LittleEndian.AppendUint32(nil, size), rest...)
		return base64.StdEncoding.EncodeToString(raw)
	}
	for _, c := range []struct{ charsmap, want string }{
		{"???", "precompiled_charsmap"},
		{"AAA=", "has 2 bytes, want 4"},
		{blob(0), "trie has 0 bytes"},
		{blob(400, 1, 2, 3, 4), "trie has 400 bytes, want a multiple of 4 from 4 to the 4"},
		{blob(0xFFFFFFFC, 1, 2, 3, 4), "trie has 4294967292 bytes"},
		{blob(3, 1, 2, 3, 4), "trie has 3 bytes"},
		{blob(4, 1, 2, 3, 4, 0xFF), "not valid UTF-8"},
	} {
		wantError(t, `{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "`+c.charsmap+`"}, "model": {}}`, c.want)
	}
	// Arrays that lead nowhere must not be followed out of bounds.
	for _, unit := range []uint32{0xFFFFFFFF, 'a' << 10, 1 << 10, 0x7FFFFFFF, 'a' | 256 | 1<<9 | 5<<10} {
		raw := binary.LittleEndian.AppendUint32(nil, 1024)
		for range 256 {
			raw = binary.LittleEndian.AppendUint32(raw, unit)
		}
		n, err := newPrecompiled(append(raw, "é\x00"...))
		if err != nil {
			t.Fatal(err)
		}
		p := newPiece("aé\u0301b\r\n", true)
		n.normalize(&p)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("an empty directory: %v", err)
	}
	write(t, dir, "tokenizer.json", smallBPE)
	write(t, dir, "tokenizer_config.json", `{"bos_token": "<s>", "eos_token": {"content": "abc", "lstrip": false, "special": true}, "unk_token": null,
		"clean_up_tokenization_spaces": true, "model_max_length": 1e30, "chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}],
		"added_tokens_decoder": {"6": {"content": "<s>", "special": true}, "9": {"content": "<nine>", "special": false}}}`)
	write(t, dir, "special_tokens_map.json", `{"bos_token": "b", "pad_token": "<pad>", "additional_special_tokens": ["<x>"]}`)
	tk, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		get  func() (int32, bool)
		want int32
	}{{"BOS", tk.BOS, 6}, {"EOS", tk.EOS, 5}, {"Pad", tk.Pad, 10}, {"Unk", tk.Unk, 0}} {
		if id, ok := c.get(); id != c.want || !ok {
			t.Errorf("%s is %d, %v, want %d", c.name, id, ok, c.want)
		}
	}
	if tk.ChatTemplate != "D" || tk.ChatTemplates["tool_use"] != "T" {
		t.Errorf("chat templates are %q", tk.ChatTemplates)
	}
	same(t, 0, "", "ids", tk.Encode("b<nine><x>ab <pad>", false), []int32{2, 9, 11, 4, 10})
	if got := tk.Decode([]int32{2, 9, 11, 5, 10, 12345, -1}, true); got != "b<nine>" {
		t.Errorf("decoded %q", got)
	}
	write(t, dir, "chat_template.jinja", "J")
	if tk, err = Load(dir); err != nil || tk.ChatTemplate != "J" {
		t.Errorf("chat_template.jinja does not count: %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`{`, "tokenizer_config.json"},
		{`{"bos_token": 5}`, "tokenizer_config.json"},
		{`{"bos_token": {"text": "x"}}`, `"content"`},
		{`{"chat_template": 5}`, "chat_template: want a text or a list"},
		{`{"chat_template": [{"name": "x"}]}`, "chat_template: entry 0"},
		{`{"added_tokens_decoder": {"x": {"content": "y"}}}`, `key "x" is not an id`},
		{`{"added_tokens_decoder": {"0": {"content": "y"}}}`, `id 0 of "y" belongs to "<unk>"`},
		{`{"tokenizer_class": "LlamaTokenizer", "add_bos_token": true}`, "add_bos_token is set, but there is no bos_token"},
	} {
		_, err := Parse([]byte(smallBPE), []byte(c.config))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", c.config, err, c.want)
		}
	}
}

// TestAddBOS checks that add_bos_token counts for the classes that follow it, and for no others.
func TestAddBOS(t *testing.T) {
	for _, c := range []struct {
		config string
		want   []int32
	}{
		{`{"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": false, "bos_token": "<s>"}`, []int32{1}},
		{`{"tokenizer_class": "LlamaTokenizer", "add_eos_token": true, "bos_token": "<s>", "eos_token": "abc"}`, []int32{6, 1, 5}},
		{`{"tokenizer_class": "GPT2Tokenizer", "add_bos_token": false, "bos_token": "<s>"}`, []int32{6, 1}},
	} {
		tk, err := Parse([]byte(smallBPE), []byte(c.config))
		if err != nil {
			t.Fatal(err)
		}
		same(t, 0, c.config, "ids", tk.Encode("a", true), c.want)
	}
}

func TestMarksContinuations(t *testing.T) {
	for model, want := range map[string]bool{
		`{"type": "WordPiece", "vocab": {"a": 0, "##b": 1, "u": 2}, "unk_token": "u", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}`: true,
		`{"type": "BPE", "vocab": {"#": 0, "##": 1, "####": 2}, "merges": [["#", "#"], ["##", "##"]]}`:                                                   false,
		`{"type": "BPE", "vocab": {"a": 0, "##b": 1, "ab": 2}, "merges": [["a", "##b"]], "continuing_subword_prefix": "##"}`:                             true,
	} {
		tok, err := Parse([]byte(oneModel(model)), nil)
		if err != nil || tok.MarksContinuations() != want {
			t.Errorf("%s: %v, want %t", model, err, want)
		}
	}
}
