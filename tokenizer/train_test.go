package tokenizer

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/evaldata"
)

func textsOf(texts ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, s := range texts {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// trained is a case of scripts/golden/trained_tokenizers.py.
type trained struct {
	Name         string
	Texts        []string
	VocabSize    int `json:"vocab_size"`
	MinFrequency int `json:"min_frequency"`
	Special      []string
	Tokens       []string
	Merges       []string
}

// learned reads the merges, and the tokens after the special ones and the bytes, of a tokenizer.json.
func learned(t *testing.T, raw []byte, special int) (tokens, merges []string) {
	t.Helper()
	var f struct {
		Model struct {
			Vocab  map[string]int
			Merges [][2]string
		}
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(f.Model.Vocab))
	for token, id := range f.Model.Vocab {
		all[id] = token
	}
	for _, m := range f.Model.Merges {
		merges = append(merges, m[0]+" "+m[1])
	}
	return all[256+special:], merges
}

// TestTrainLearnsWhatTokenizersLearns wants the same merges in the same order.
func TestTrainLearnsWhatTokenizersLearns(t *testing.T) {
	raw, err := os.ReadFile("testdata/trained.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []trained
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if len(c.Texts) == 0 {
				c.Texts = []string{embedded(t, strings.TrimPrefix(c.Name, "evaldata/"))}
			}
			tok, err := Train(textsOf(c.Texts...), TrainOptions{VocabSize: c.VocabSize, MinFrequency: c.MinFrequency, SpecialTokens: c.Special})
			if err != nil {
				t.Fatal(err)
			}
			tokens, merges := learned(t, tok.JSON, len(c.Special))
			if !slices.Equal(merges, c.Merges) {
				at := 0
				for at < min(len(merges), len(c.Merges)) && merges[at] == c.Merges[at] {
					at++
				}
				t.Fatalf("%d merges, want %d; they part at %d: %q, want %q", len(merges), len(c.Merges), at, merges[at:min(at+3, len(merges))], c.Merges[at:min(at+3, len(c.Merges))])
			}
			if !slices.Equal(tokens, c.Tokens) {
				t.Error("the tokens are others")
			}
			for _, s := range c.Texts {
				if back := tok.Decode(tok.Encode(s, false), false); back != s {
					t.Errorf("%q comes back as %q", s[:min(len(s), 80)], back[:min(len(back), 80)])
				}
			}
			if id, ok := tok.EOS(); ok != (len(c.Special) > 0) || ok && id != 0 {
				t.Errorf("the end of a text is %d, %t", id, ok)
			}
		})
	}
}

func embedded(t *testing.T, name string) string {
	t.Helper()
	f, err := evaldata.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrainRefuses(t *testing.T) {
	for _, c := range []struct {
		o     TrainOptions
		texts iter.Seq2[string, error]
		want  string
	}{
		{TrainOptions{VocabSize: 256, SpecialTokens: []string{"</s>"}}, textsOf("a"), "vocabulary size is 256, want 257"},
		{TrainOptions{VocabSize: 1 << 30}, textsOf("a"), "want 256 (bytes and special tokens) to 1048576"},
		{TrainOptions{VocabSize: 300, SpecialTokens: []string{"a", "a"}}, textsOf("a"), `special token "a" is empty or there twice`},
		{TrainOptions{VocabSize: 300, MinFrequency: -1}, textsOf("a"), "least frequency is -1"},
		{TrainOptions{VocabSize: 300}, textsOf(), "there is no text"},
		{TrainOptions{VocabSize: 300}, textsOf("", ""), "there is no text"},
		{TrainOptions{VocabSize: 300}, func(yield func(string, error) bool) { yield("", fs.ErrNotExist) }, "not exist"},
	} {
		_, err := Train(c.texts, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
		if c.want == "not exist" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
}

// FuzzTrain wants every tokenizer that is learned to read its texts back.
func FuzzTrain(f *testing.F) {
	f.Add("aaaa abab", 300, 1)
	f.Add("日本 \xff\xfe x", 260, 2)
	f.Fuzz(func(t *testing.T, text string, size, least int) {
		tok, err := Train(textsOf(text, text), TrainOptions{VocabSize: size % 2000, MinFrequency: least % 10})
		if err != nil {
			if strings.Contains(err.Error(), "cannot be read") {
				t.Fatal(err)
			}
			return
		}
		if back := tok.Decode(tok.Encode(text, false), false); back != string([]rune(text)) { // bytes that are not UTF-8 become U+FFFD
			t.Errorf("%q comes back as %q", text, back)
		}
	})
}
