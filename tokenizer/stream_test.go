package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStream(t *testing.T) {
	byteTokens := `{"type": "BPE", "byte_fallback": true, "vocab": {"▁a": 0, "b": 1, "<0xE2>": 2, "<0x82>": 3, "<0xAC>": 4, "▁.": 5, "Ã": 6, "©": 7, "Ġx": 8}, "merges": []}`
	llama := `{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}`
	for _, c := range []struct {
		name, decoder, config string
		ids                   []int32
		want                  []string // of each Add, then of Flush
	}{
		{"first space", llama, `{}`, []int32{0, 0, 1}, []string{"a", " a", "b", ""}},
		{"bytes", llama, `{}`, []int32{0, 2, 3, 4, 1}, []string{"a", "", "", "", "€b", ""}},
		{"broken bytes", llama, `{}`, []int32{2, 3, 1, 2}, []string{"", "", "\uFFFD\uFFFDb", "", "\uFFFD"}},
		{"byte level", `{"type": "ByteLevel"}`, `{}`, []int32{1, 6, 7, 8, 6}, []string{"b", "", "é", " x", "", "\uFFFD"}},
		{"no clean up of BPE", llama, `{"clean_up_tokenization_spaces": true}`, []int32{1, 0, 5, 1}, []string{"b", " a", " .", "b", ""}},
		{"clean up", llama, `{"clean_up_tokenization_spaces": true, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": true}`,
			[]int32{1, 0, 5, 1}, []string{"b", " a", ".", "b", ""}},
		{"replaced in the whole", `{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "b▁a"}, "content": "x"}]}`, `{}`,
			[]int32{1, 0, 1}, []string{"", "", "", "xb"}},
		{"unknown ids", llama, `{}`, []int32{1, 99, -1, 1}, []string{"b", "", "", "b", ""}},
	} {
		tk, err := Parse([]byte(`{"decoder": `+c.decoder+`, "model": `+byteTokens+`}`), []byte(c.config))
		if err != nil {
			t.Fatal(err)
		}
		s := tk.NewStream(false)
		var got []string
		for _, id := range c.ids {
			got = append(got, s.Add(id))
		}
		same(t, 0, c.name, "parts", append(got, s.Flush()), c.want)
	}
}

// TestStreamCleansUp streams from a WordPiece tokenizer, whose clean-up is the same in every version of transformers.
func TestStreamCleansUp(t *testing.T) {
	const vocab = `{"[UNK]": 0, "i": 1, "do": 2, "n": 3, "'": 4, "t": 5, "know": 6, ".": 7, "n't": 8, "[SEP]": 9, "##s": 10,
		"he": 11, "ve": 12, ",": 13, "!": 14, "m": 15, "s": 16, "re": 17, "?": 18, "##'": 19, "## ": 20, "## '": 21, "": 22}`
	tk, err := Parse([]byte(`{"added_tokens": [{"id": 9, "content": "[SEP]", "special": true}],
		"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
		"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": `+vocab+`}}`),
		[]byte(`{"clean_up_tokenization_spaces": true}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ids  []int32
		want []string // of each Add, then of Flush
	}{
		{"one token", []int32{1, 2, 8, 6, 7}, []string{"i", " do", "n't", " know", ".", ""}},
		{"three tokens", []int32{1, 2, 3, 4, 5, 6, 7, 9}, []string{"i", " do", "", "", "n't", " know", ".", "", ""}},
		{"not after all", []int32{1, 2, 3, 4, 6}, []string{"i", " do", "", "", " n'know", ""}},
		{"at the end", []int32{1, 3, 4}, []string{"i", "", "", " n '"}},
		{"double space", []int32{1, 20, 4, 15}, []string{"i", "", "", "'m", ""}},
	} {
		s := tk.NewStream(true)
		var got []string
		for _, id := range c.ids {
			got = append(got, s.Add(id))
		}
		got = append(got, s.Flush())
		same(t, 0, c.name, "parts", got, c.want)
		if want := tk.Decode(c.ids, true); strings.Join(got, "") != want {
			t.Errorf("%s: streamed %q, decoded %q", c.name, got, want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		ids := make([]int32, 1+rng.IntN(12))
		for i := range ids {
			ids[i] = rng.Int32N(int32(tk.VocabSize()))
		}
		streamed(t, tk, ids)
	}
}

// streamed streams ids, and compares with Decode.
func streamed(t *testing.T, tk *Tokenizer, ids []int32) {
	t.Helper()
	s := tk.NewStream(true)
	var got strings.Builder
	for _, id := range ids {
		part := s.Add(id)
		if !utf8.ValidString(part) {
			t.Errorf("part %q is not UTF-8", part)
		}
		got.WriteString(part)
		if token, _ := tk.Token(id); len(s.tokens) > windowMax && !s.whole && !(tk.byteFallback && isByte(token)) { // a run of bytes stays whole
			t.Fatalf("the window has grown to %d tokens", len(s.tokens))
		}
	}
	got.WriteString(s.Flush())
	if want := tk.Decode(ids, true); got.String() != want {
		t.Errorf("ids %v:\n got %q\nwant %q", ids[:min(len(ids), 300)], got.String(), want)
	}
}

// TestStreamIsDecode streams texts so long that the window moves, with clean-up and without.
func TestStreamIsDecode(t *testing.T) {
	text := generatedText(3000) + " naïve 😀 中文 <s> end . He 's here , is n ' t he ?" + strings.Repeat(" ", 300) + "x" + strings.Repeat("\n", 300) + "."
	for _, dir := range goldenDirs(t, "*") {
		tk := loadGolden(t, dir)
		if tk == nil {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			cleaned := *tk
			cleaned.cleanUp = !tk.cleanUp
			for _, tk := range []*Tokenizer{tk, &cleaned} {
				streamed(t, tk, tk.Encode(text, true))
			}
		})
	}
}

// TestStreamOfAnyIDs streams what a bad model may generate: any ids, and the same id again and again.
func TestStreamOfAnyIDs(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 1
	}
	for _, dir := range goldenDirs(t, "*") {
		tk := loadGolden(t, dir)
		if tk == nil {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(3, 4))
			for range rounds {
				random, same := make([]int32, 500), rng.Int32N(int32(tk.VocabSize()))
				for i := range random {
					random[i] = rng.Int32N(int32(tk.VocabSize()))
				}
				streamed(t, tk, random)
				streamed(t, tk, slices.Repeat([]int32{same}, 500))
			}
			for _, token := range []string{"Ġ", "Ċ", "ÿ", "▁", "à", "##s"} {
				if id, ok := tk.ID(token); ok {
					streamed(t, tk, slices.Repeat([]int32{id}, 500))
				}
			}
		})
	}
}

// TestStreamOfAnyDecoder streams any ids with each kind of decoder.
func TestStreamOfAnyDecoder(t *testing.T) {
	const vocab = `{"▁a": 0, "b": 1, "<0xE2>": 2, "<0x82>": 3, "<0xAC>": 4, "▁.": 5, "Ã": 6, "©": 7, "Ġx": 8, "a</w>": 9, "c": 10,
		"|": 11, "<pad>": 12, "▁": 13, "▁▁": 14, "##s": 15, "'": 16, "n't": 17, " ": 18, "s": 19}`
	const replace = `{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}`
	tries := 300
	if testing.Short() {
		tries = 30
	}
	for _, decoder := range []string{
		`null`, `{"type": "BPEDecoder", "suffix": "</w>"}`, `{"type": "WordPiece", "prefix": "##", "cleanup": true}`,
		`{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true}`, `{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": false}`,
		`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}`, `{"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "ByteLevel"}]}`,
		`{"type": "Sequence", "decoders": [` + replace + `, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 2}]}`,
		`{"type": "Sequence", "decoders": [{"type": "Fuse"}, ` + replace + `]}`,
		`{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"Regex": "b?c"}, "content": "x"}]}`,
	} {
		for _, model := range []string{`{"type": "BPE", "byte_fallback": true, "merges": [], "vocab": `, `{"type": "WordLevel", "unk_token": "b", "vocab": `} {
			tk, err := Parse([]byte(`{"decoder": `+decoder+`, "model": `+model+vocab+`}}`), []byte(`{"clean_up_tokenization_spaces": true}`))
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(5, 6))
			for range tries {
				ids := make([]int32, 1+rng.IntN(100))
				for i := range ids {
					ids[i] = rng.Int32N(20)
				}
				streamed(t, tk, ids)
			}
		}
	}
}

func isByte(token string) bool {
	_, ok := byteToken(token)
	return ok
}

// BenchmarkStream decodes an answer one id at a time. The time for an id does not depend on the length of the answer.
func BenchmarkStream(b *testing.B) {
	tk := loadGolden(b, filepath.Join("..", "testdata", "golden", "tokenizers", "smollm2"))
	ids := tk.Encode(generatedText(1<<16), false)
	for _, cleanUp := range []bool{false, true} {
		tk := *tk
		tk.cleanUp = cleanUp
		for _, n := range []int{500, 2000, 8000} {
			b.Run(fmt.Sprintf("cleanUp=%t/ids=%d", cleanUp, n), func(b *testing.B) {
				for b.Loop() {
					s := tk.NewStream(true)
					for _, id := range ids[:n] {
						s.Add(id)
					}
					s.Flush()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/id")
			})
		}
	}
}
