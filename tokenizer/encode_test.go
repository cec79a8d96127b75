package tokenizer

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// bpeOf makes a tokenizer with nothing but a BPE model.
func bpeOf(t *testing.T, model string) *Tokenizer {
	t.Helper()
	tk, err := Parse([]byte(oneModel(model)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// TestMergeShortAndLong compares the two ways to merge on random words.
func TestMergeShortAndLong(t *testing.T) {
	m := bpeOf(t, `{"type": "BPE", "vocab": {"a": 0, "b": 1, "aa": 2, "ab": 3, "aab": 4, "ba": 5, "abab": 6, "baa": 7, "aaaa": 8},
		"merges": ["a b", "a a", "b a", "a ab", "ab ab", "ba a", "aa aa"]}`).model.(*bpe)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		word := make([]byte, 1+rng.IntN(60))
		for i := range word {
			word[i] = "ab"[rng.IntN(2)]
		}
		var short, long mergeState
		short.syms = m.symbols(nil, string(word))
		long.syms = m.symbols(nil, string(word))
		m.mergeShort(&short)
		m.mergeLong(&long)
		same(t, 0, string(word), "merged ids (long, short)", liveIDs(long.syms), liveIDs(short.syms))
	}
}

func liveIDs(syms []symbol) []int32 {
	var ids []int32
	for _, y := range syms {
		if y.size > 0 {
			ids = append(ids, y.id)
		}
	}
	return ids
}

// TestLongInput makes sure that no input takes more time than its length justifies.
func TestLongInput(t *testing.T) {
	inputs := []string{
		strings.Repeat("a", 100_000), strings.Repeat("abcdefghij", 10_000), strings.Repeat(" ", 100_000), strings.Repeat("\n", 100_000),
		strings.Repeat("<", 100_000), "e" + strings.Repeat("\u0301", 50_000), strings.Repeat("👨\u200d", 14_000), strings.Repeat("中", 33_000),
	}
	for i, dir := range goldenDirs(t, "*") {
		tk := loadGolden(t, dir)
		if tk == nil || testing.Short() && i%4 != 0 {
			continue
		}
		for _, in := range inputs {
			start := time.Now()
			tk.Encode(in, true)
			if d := time.Since(start); d > 2*time.Second { // about 50 ms on a machine that does nothing else
				t.Errorf("%s: %d bytes of %q take %v", filepath.Base(dir), len(in), in[:4], d)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tk := loadGolden(t, filepath.Join("..", "testdata", "golden", "tokenizers", "unigram_t5"))
	text := generatedText(1 << 14)
	want := tk.Encode(text, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if !slices.Equal(tk.Encode(text, true), want) || !slices.Equal(tk.EncodePlus(text, true).IDs, want) {
				t.Error("ids differ between goroutines")
			}
			tk.Decode(want, true)
		})
	}
	wg.Wait()
}

func TestInvalidUTF8(t *testing.T) {
	for _, dir := range goldenDirs(t, "*") {
		tk := loadGolden(t, dir)
		if tk == nil {
			continue
		}
		for _, text := range []string{"\xff", "a\xc3", "\xe2\x82", "x\xed\xa0\x80y", "\xf4\x90\x80\x80"} {
			same(t, 0, text, filepath.Base(dir), tk.Encode(text, true), tk.Encode(string([]rune(text)), true))
		}
	}
}

func TestLossyUTF8(t *testing.T) {
	for _, c := range []struct{ in, want string }{ // as Rust's from_utf8_lossy
		{"ok é€😀", "ok é€😀"}, {"\xff", "\uFFFD"}, {"\xe2\x82", "\uFFFD"}, {"\xe2\x82x", "\uFFFDx"}, {"\xf0\x9f\x98", "\uFFFD"},
		{"\xe2\xe2\x82", "\uFFFD\uFFFD"}, {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"}, {"\xc3(", "\uFFFD("}, {"\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
		{"\x80\x80", "\uFFFD\uFFFD"}, {"\xe0\x80\x80", "\uFFFD\uFFFD\uFFFD"}, {"\xf0\x9f\x98\xf0\x9f\x98\x80", "\uFFFD😀"},
	} {
		if got := lossyUTF8([]byte(c.in)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	tb := newTable(1)
	for k := range uint64(1000) {
		tb.put(k*k, k)
		tb.put(k*k, k+1)
	}
	for k := range uint64(1000) {
		if v, ok := tb.get(k * k); !ok || v != k+1 {
			t.Fatalf("key %d: got %d, %v", k*k, v, ok)
		}
	}
	if _, ok := tb.get(7); ok || tb.n != 1000 {
		t.Errorf("key 7 is there, or %d entries are not 1000", tb.n)
	}
}
