package tokenizer

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// ranksCase is a tokenizer in a file of ranks, and what tiktoken or mistral-common make of texts.
type ranksCase struct {
	Tokens  []string // of the first line: the tokens in base64
	Name    string
	Count   int             // of tiktoken's form: the number of tokens
	Tekken  json.RawMessage // a tekken.json
	Special map[string]int32
	BOS     *int32
	EOS     *int32
	Size    int
	Rows    []struct {
		Text, Decoded string
		IDs           []int32
	}
}

func ranksCases(t testing.TB) (tokens []string, cases []ranksCase) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "ranks.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c ranksCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Tokens != nil {
			tokens = c.Tokens
			continue
		}
		cases = append(cases, c)
	}
	if len(tokens) == 0 || len(cases) == 0 {
		t.Fatal("no cases")
	}
	return tokens, cases
}

// tiktokenText is a file of tiktoken's form: the tokens, and others that are in no text.
func tiktokenText(tokens []string, count int) string {
	var b strings.Builder
	for i := range count {
		token := base64.StdEncoding.EncodeToString([]byte{255, byte(i >> 16), byte(i >> 8), byte(i)})
		if i < len(tokens) {
			token = tokens[i]
		}
		fmt.Fprintf(&b, "%s %d\n", token, i)
	}
	return b.String()
}

// TestRanks compares with tiktoken and mistral-common.
func TestRanks(t *testing.T) {
	tokens, cases := ranksCases(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			files := fstest.MapFS{"tekken.json": {Data: c.Tekken}}
			if c.Tekken == nil {
				name := map[string]string{"llama3": "tokenizer.model"}[c.Name]
				if name == "" {
					name = c.Name + ".tiktoken"
				}
				files = fstest.MapFS{name: {Data: []byte(tiktokenText(tokens, c.Count))}}
			}
			tk, err := LoadFS(files)
			if err != nil {
				t.Fatal(err)
			}
			for text, id := range c.Special {
				if got, ok := tk.ID(text); !ok || got != id || !tk.IsSpecial(id) {
					t.Errorf("%s has id %d, %v; want %d, special", text, got, ok, id)
				}
			}
			for i, r := range c.Rows {
				same(t, i, r.Text, "ids", tk.Encode(r.Text, false), r.IDs)
				if got := tk.Decode(r.IDs, false); got != r.Decoded {
					t.Errorf("%q is decoded as %q, want %q", r.Text, got, r.Decoded)
				}
			}
			if c.Size > 0 && tk.VocabSize() != c.Size {
				t.Errorf("%d tokens, want %d", tk.VocabSize(), c.Size)
			}
			bos, hasBOS := tk.BOS()
			begun := tk.Encode("x", true)
			if adds := c.Tekken != nil || c.Name == "llama3"; adds != (len(begun) > 1 && hasBOS && begun[0] == bos) {
				t.Errorf("with special tokens: %v", begun)
			}
			eos, _ := tk.EOS()
			if c.BOS != nil && (bos != *c.BOS || eos != *c.EOS) {
				t.Errorf("texts begin with %d and end with %d, want %d and %d", bos, eos, *c.BOS, *c.EOS)
			}
		})
	}
}

func TestRanksErrors(t *testing.T) {
	tokens, _ := ranksCases(t)
	bytes := tiktokenText(tokens, 256)
	tekken := func(config, vocab, special string) string {
		return fmt.Sprintf(`{"config": {"pattern": "\\S+|\\s+", %s}, "vocab": [%s], "special_tokens": %s}`, config, vocab, special)
	}
	sizes := func(size, special int) string {
		return fmt.Sprintf(`"default_vocab_size": %d, "default_num_special_tokens": %d`, size, special)
	}
	const one = `{"rank": 0, "token_bytes": "AA=="}`
	for _, tt := range []struct {
		name, file, text, want string
	}{
		{"another size", "x.tiktoken", bytes, "x.tiktoken has 256 tokens, and does not say how texts are cut into words; this is not supported"},
		{"a line", "x.tiktoken", "AA== 0\nAQ==\n", `x.tiktoken: line 2 is "AQ=="; want a token in base64, a space, and its rank`},
		{"base64", "x.tiktoken", "AA== 0\n?! 1\n", `line 2 is "?! 1"`},
		{"a rank", "x.tiktoken", "AA== -1\n", `line 1 is "AA== -1"`},
		{"twice", "x.tiktoken", tiktokenText(append(tokens[:255:255], tokens[0]), 128000), "is listed twice"},
		{"no bytes", "x.tiktoken", tiktokenText(nil, 128000), "not all of the 256 bytes are tokens"},
		{"a hole", "x.tiktoken", strings.Replace(tiktokenText(tokens, 128000), " 127999\n", " 900000000\n", 1), "id 900000000"},
		{"long", "x.tiktoken", tiktokenText(tokens, 127999) + base64.StdEncoding.EncodeToString(make([]byte, 2000)) + " 127999\n", "token 127999 has 2000 bytes; want at most 1024"},
		{"no JSON", "tekken.json", "{", "tekken.json: unexpected end"},
		{"sizes", "tekken.json", tekken(sizes(5, 1), one, "[]"), "default_vocab_size is 5, default_num_special_tokens 1, and there are 1 tokens; they do not fit together"},
		{"less than none", "tekken.json", tekken(sizes(0, -1), one, "[]"), "do not fit together"},
		{"absurd", "tekken.json", tekken(sizes(1<<40, 1<<39), one, "[]"), "do not fit together"},
		{"rank", "tekken.json", tekken(sizes(2, 1), `{"rank": 3, "token_bytes": "AA=="}`, "[]"), "vocab[0] has rank 3 and 1 bytes; want rank 0 and a token"},
		{"bad base64", "tekken.json", tekken(sizes(3, 1), one+`, {"rank": 1, "token_bytes": "A?=="}`, "[]"), `vocab[1] has token_bytes "A?=="; want base64`},
		{"empty", "tekken.json", tekken(sizes(2, 1), `{"rank": 0, "token_bytes": ""}`, "[]"), "vocab[0] has rank 0 and 0 bytes"},
		{"special", "tekken.json", tekken(sizes(2, 1), one, `[{"rank": 7, "token_str": "x"}]`), "a special token has rank 7; want less than 1"},
		{"few", "tekken.json", tekken(sizes(2, 1), one, "[]"), "not all of the 256 bytes are tokens"},
		{"pattern", "tekken.json", `{"config": {"pattern": "[a&&b]", ` + sizes(2, 1) + `}, "vocab": [` + one + `]}`, "not all of the 256 bytes"},
	} {
		_, err := LoadFS(fstest.MapFS{tt.file: {Data: []byte(tt.text)}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if _, err := LoadFS(fstest.MapFS{"x.tiktoken": {Data: []byte(bytes)}}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("another size: %v is not ErrUnsupported", err)
	}
	if _, err := LoadFS(fstest.MapFS{"a.tiktoken": {Data: []byte(bytes)}, "b.tiktoken": {Data: []byte(bytes)}}); err == nil || !strings.Contains(err.Error(), "2 files of ranks (a.tiktoken, b.tiktoken)") {
		t.Errorf("two files: %v", err)
	}
}

// FuzzRanks looks for files of ranks that make loading, or what it returns, panic.
func FuzzRanks(f *testing.F) {
	tokens, cases := ranksCases(f)
	f.Add([]byte(tiktokenText(tokens, 256)), false)
	for _, c := range cases {
		if c.Tekken != nil {
			f.Add([]byte(c.Tekken), true)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, tekken bool) {
		if !tekken {
			parsed, err := parseTiktoken(raw)
			if err != nil {
				return
			}
			if tk, err := newRanks(parsed, `\S+|\s+`); err == nil && tk.finish(&tokenClass{}, &tokenizerConfig{}) == nil {
				useTokenizer(t, tk)
			}
			return
		}
		if tk, err := LoadFS(fstest.MapFS{"tekken.json": {Data: raw}}); err == nil {
			useTokenizer(t, tk)
		}
	})
}
