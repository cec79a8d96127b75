package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// fileCase is a tokenizer in files other than tokenizer.json, and what sentencepiece or transformers makes of texts
// (scripts/golden/tokenizer_files.py).
type fileCase struct {
	Name  string
	Files map[string][]byte
	Rows  []fileRow
	Named map[string]int32
	Size  int
}

type fileRow struct {
	goldenLine
	Pair      []int32 // with "the king"
	PairTypes []int32 `json:"pair_types"`
	Words     []string
	WordsIDs  []int32 `json:"words_ids"`
	WordIDs   []int32 `json:"word_ids"`
	Target    []int32
	Some      []int32 // any ids, and their text
	SomeText  string  `json:"some_decoded"`
}

// fileCases calls f with each case. dir holds its files.
func fileCases(t testing.TB, f func(c *fileCase, dir string)) {
	t.Helper()
	each := func(_ int, raw []byte) {
		var c fileCase
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, content := range c.Files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f(&c, dir)
	}
	for _, name := range []string{"files", "classes", "encoders", "slow", "old"} {
		jsonLines(t, readMaybeGzip(t, filepath.Join("testdata", name+".jsonl")), each)
	}
}

func TestFiles(t *testing.T) {
	fileCases(t, func(c *fileCase, dir string) {
		t.Run(c.Name, func(t *testing.T) {
			tk, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if c.Size > 0 && tk.VocabSize() != c.Size {
				t.Errorf("%d tokens, want %d", tk.VocabSize(), c.Size)
			}
			for name, want := range c.Named {
				if got, ok := tk.namedID(name + "_token"); !ok || got != want || !tk.IsSpecial(got) {
					t.Errorf("%s_token is %d (%v), special %v; want %d", name, got, ok, tk.IsSpecial(got), want)
				}
			}
			for i := range c.Rows {
				checkFileRow(t, tk, i, &c.Rows[i])
			}
		})
	})
}

func checkFileRow(t *testing.T, tk *Tokenizer, n int, r *fileRow) {
	full, pair := tk.EncodePlus(r.Text, true), tk.EncodePair(r.Text, "the king", true)
	same(t, n, r.Text, "ids", tk.Encode(r.Text, false), r.IDs)
	same(t, n, r.Text, "ids_special", tk.Encode(r.Text, true), r.IDsSpecial)
	same(t, n, r.Text, "ids_special (full)", full.IDs, r.IDsSpecial)
	if r.Tokens != nil {
		same(t, n, r.Text, "tokens", full.Tokens, r.Tokens)
	}
	if r.Offsets != nil {
		same(t, n, r.Text, "offsets", full.Offsets, r.Offsets)
	}
	if r.Pair != nil {
		same(t, n, r.Text, "pair", pair.IDs, r.Pair)
	}
	if r.TypeIDs != nil {
		same(t, n, r.Text, "type_ids", full.TypeIDs, r.TypeIDs)
		same(t, n, r.Text, "pair_types", pair.TypeIDs, r.PairTypes)
	}
	if r.Words != nil {
		e := tk.EncodeWords(r.Words, true)
		same(t, n, r.Text, "words_ids", e.IDs, r.WordsIDs)
		same(t, n, r.Text, "word_ids", e.WordIDs, r.WordIDs)
	}
	decoder, ids := tk, r.IDsSpecial
	if r.Target != nil {
		same(t, n, r.Text, "target", tk.Target().Encode(r.Text, true), r.Target)
		decoder, ids = tk.Target(), r.Target
	}
	if got := decoder.Decode(ids, true); got != r.DecodedSkip {
		t.Errorf("row %d %q: decoded_skip\n got %q\nwant %q", n, r.Text, got, r.DecodedSkip)
	}
	if got := tk.Decode(r.Some, false); got != r.SomeText {
		t.Errorf("row %d %v: decoded\n got %q\nwant %q", n, r.Some, got, r.SomeText)
	}
}
