package tokenizer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// goldenDirs are the folders with golden files: those of this repository and those of $SPAGOTUNE_GOLDEN.
func goldenDirs(t testing.TB, pattern string) []string {
	t.Helper()
	var dirs []string
	for _, root := range []string{filepath.Join("..", "testdata", "golden"), os.Getenv("SPAGOTUNE_GOLDEN")} {
		if root == "" {
			continue
		}
		found, err := filepath.Glob(filepath.Join(root, "tokenizers", pattern))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, found...)
	}
	return dirs
}

// readMaybeGzip reads a file, or the gzip file of that name with .gz.
func readMaybeGzip(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	f, err := os.Open(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return raw
}

// goldenLine is one text, and what tokenizers 0.23.3 or sentencepiece 0.2.3 makes of it.
type goldenLine struct {
	Text        string   `json:"text"`
	IDs         []int32  `json:"ids"`
	IDsSpecial  []int32  `json:"ids_special"`
	Tokens      []string `json:"tokens"`
	Offsets     [][2]int `json:"offsets"`
	TypeIDs     []int32  `json:"type_ids"`
	Decoded     string   `json:"decoded"`
	DecodedSkip string   `json:"decoded_skip"`
}

// jsonLines calls f with each line of a JSON lines file.
func jsonLines(t testing.TB, raw []byte, f func(line int, raw []byte)) {
	t.Helper()
	sc := bufio.NewScanner(bytes.NewReader(raw))
	sc.Buffer(nil, 1<<26)
	for n := 1; sc.Scan(); n++ {
		f(n, sc.Bytes())
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
}

// loadGolden loads the tokenizer of a golden folder. It returns nil if the folder has none.
func loadGolden(t testing.TB, dir string) *Tokenizer {
	t.Helper()
	if tk, ok := goldenTokenizers.Load(dir); ok {
		return tk.(*Tokenizer)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "golden.jsonl*")); len(found) == 0 {
		return nil
	}
	tk, err := Load(unpacked(t, dir))
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	goldenTokenizers.Store(dir, tk)
	return tk
}

// unpacked returns a folder with the files of the tokenizer in dir, without gzip.
func unpacked(t testing.TB, dir string) string {
	t.Helper()
	out := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".gz")
		if e.IsDir() || strings.HasPrefix(name, "golden.") || strings.HasPrefix(name, "chat_") {
			continue
		}
		if err := os.WriteFile(filepath.Join(out, name), readMaybeGzip(t, filepath.Join(dir, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// goldenTokenizers are those that loadGolden has loaded, by folder.
var goldenTokenizers sync.Map

func TestGolden(t *testing.T) {
	for _, dir := range goldenDirs(t, "*") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			tk := loadGolden(t, dir)
			if tk == nil {
				t.Skip("no tokenizer")
			}
			checkGoldenFile(t, tk, dir)
		})
	}
}

// TestGoldenFiles writes the older files of BERT and BART for each tokenizer.json whose content they can hold. Loaded
// from them, the tokenizer must be the same.
func TestGoldenFiles(t *testing.T) {
	tried := 0
	for _, dir := range goldenDirs(t, "*") {
		if found, _ := filepath.Glob(filepath.Join(dir, "tokenizer.json*")); len(found) == 0 {
			continue
		}
		out := t.TempDir()
		if !writeOldFiles(t, readMaybeGzip(t, filepath.Join(dir, "tokenizer.json")), out) {
			continue
		}
		tried++
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			tk, err := Load(out)
			if err != nil {
				t.Fatal(err)
			}
			checkGoldenFile(t, tk, dir)
		})
	}
	if tried == 0 {
		t.Error("no golden tokenizer.json can be told by the files of an older tokenizer")
	}
}

// writeOldFiles writes vocab.txt, or vocab.json and merges.txt, to a folder, if they can hold the content of the
// tokenizer.json.
func writeOldFiles(t *testing.T, tokenizerJSON []byte, dir string) bool {
	t.Helper()
	var f struct {
		Pre   struct{ Type string } `json:"pre_tokenizer"`
		Model struct {
			Vocab  json.RawMessage
			Merges mergeList
		}
	}
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := json.Unmarshal(tokenizerJSON, &f)
	switch {
	case err != nil || f.Pre.Type != "ByteLevel" && f.Pre.Type != "BertPreTokenizer":
		return false
	case f.Pre.Type == "ByteLevel":
		merges := "#version: 0.2\n"
		for _, m := range f.Model.Merges {
			merges += m[0] + " " + m[1] + "\n"
		}
		write("vocab.json", f.Model.Vocab)
		write("merges.txt", []byte(merges))
	default:
		var v vocab
		if err := json.Unmarshal(f.Model.Vocab, &v); err != nil {
			t.Fatal(err)
		}
		write("vocab.txt", []byte(strings.Join(v.tokens, "\n")+"\n"))
	}
	return true
}

func checkGoldenFile(t *testing.T, tk *Tokenizer, dir string) {
	jsonLines(t, readMaybeGzip(t, filepath.Join(dir, "golden.jsonl")), func(n int, raw []byte) {
		var g goldenLine
		if err := json.Unmarshal(raw, &g); err != nil {
			t.Fatal(err)
		}
		checkGolden(t, tk, n, &g)
	})
}

func checkGolden(t *testing.T, tk *Tokenizer, n int, g *goldenLine) {
	full := tk.EncodePlus(g.Text, false)
	special := tk.EncodePlus(g.Text, true)
	same(t, n, g.Text, "ids", tk.Encode(g.Text, false), g.IDs)
	same(t, n, g.Text, "ids_special", tk.Encode(g.Text, true), g.IDsSpecial)
	same(t, n, g.Text, "ids (full)", full.IDs, g.IDs)
	same(t, n, g.Text, "ids_special (full)", special.IDs, g.IDsSpecial)
	if g.Tokens != nil { // the golden files of SentencePiece do not have all
		same(t, n, g.Text, "tokens", full.Tokens, g.Tokens)
	}
	if g.Offsets != nil {
		same(t, n, g.Text, "offsets", full.Offsets, g.Offsets)
	}
	if g.TypeIDs != nil {
		same(t, n, g.Text, "type_ids", special.TypeIDs, g.TypeIDs)
	}
	for _, c := range []struct {
		name      string
		ids       []int32
		skip      bool
		got, want string
	}{
		{"decoded", g.IDs, false, tk.Decode(g.IDs, false), g.Decoded},
		{"decoded_skip", g.IDsSpecial, true, tk.Decode(g.IDsSpecial, true), g.DecodedSkip},
	} {
		if c.got != c.want {
			t.Errorf("line %d %q: %s\n got %q\nwant %q", n, g.Text, c.name, c.got, c.want)
		}
		s := tk.NewStream(c.skip)
		var parts strings.Builder
		for _, id := range c.ids {
			parts.WriteString(s.Add(id))
		}
		parts.WriteString(s.Flush())
		if parts.String() != c.want {
			t.Errorf("line %d %q: %s by a Stream\n got %q\nwant %q", n, g.Text, c.name, parts.String(), c.want)
		}
	}
}

func same[T comparable](t *testing.T, n int, text, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("line %d %q: %s\n got %v\nwant %v", n, text, what, got, want)
	}
}

func TestGoldenSplits(t *testing.T) {
	for _, path := range goldenDirs(t, filepath.Join("splits", "*.jsonl")) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			var byHand, byRegex matcher
			jsonLines(t, readMaybeGzip(t, path), func(n int, raw []byte) {
				if n == 1 {
					byHand, byRegex = bothMatchers(t, raw)
					return
				}
				var g struct {
					Text  string   `json:"text"`
					Parts []string `json:"parts"`
				}
				if err := json.Unmarshal(raw, &g); err != nil {
					t.Fatal(err)
				}
				same(t, n, g.Text, "parts by hand", splitTexts(g.Text, byHand), g.Parts)
				same(t, n, g.Text, "parts by regexp2", splitTexts(g.Text, byRegex), g.Parts)
			})
		})
	}
}

// bothMatchers returns the two ways to match a well-known pattern.
func bothMatchers(t *testing.T, rawPattern []byte) (byHand, byRegex matcher) {
	var pattern string
	if err := json.Unmarshal(rawPattern, &pattern); err != nil {
		t.Fatal(err)
	}
	byHand, err := newRegex(pattern, "pattern")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := byHand.(wordPattern); !ok {
		t.Errorf("pattern %q is not recognised", pattern)
	}
	re, err := compileRegex(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return byHand, regex{re}
}

func splitTexts(text string, m matcher) []string {
	var out []string
	for _, p := range isolated.split(nil, newPiece(text, false), m, false) {
		out = append(out, p.s)
	}
	return out
}
