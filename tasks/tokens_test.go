package tasks

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
)

func tokensOn(t *testing.T, file, content string, options map[string]any) *Tokens {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	write(t, path, content)
	all := map[string]any{"data": path, "eval_size": 0}
	for k, v := range options {
		all[k] = v
	}
	return mustNew(t, "tokens", all).(*Tokens)
}

func TestTokensAlign(t *testing.T) {
	task := tokensOn(t, "d.conll", "-DOCSTART- -X- O O\r\n\r\nAb NNP - I-PER\r\nc VB - O\r\n\r\n\r\n-DOCSTART- -X- O O\n\ndef X - O\n", nil)
	tok := byteTokenizer{addBOS: true}
	rows, counts, err := EncodeAll(tok, nil, task, Train, 0)
	if err != nil || len(rows) != 2 || counts.Scored != 3 {
		t.Fatalf("got %+v, %v, %v", rows, counts, err)
	}
	if want := []int32{head.IgnoreIndex, 0, head.IgnoreIndex, 1}; !slices.Equal(rows[0].Labels, want) {
		t.Errorf("labels are %v, want %v: the first token of a word has one", rows[0].Labels, want)
	}
	if want := []int32{-1, 0, 0, 1}; !slices.Equal(rows[0].WordIDs, want) {
		t.Errorf("words are %v, want %v", rows[0].WordIDs, want)
	}
	if !strings.HasSuffix(rows[0].Source, "d.conll:3") || !strings.HasSuffix(rows[1].Source, "d.conll:9") {
		t.Errorf("places are %s and %s", rows[0].Source, rows[1].Source)
	}
}

// TestTokensAreReadInWindows checks that words for which a row has no place are in the next one, and that a row in which no
// word begins is left out.
func TestTokensAreReadInWindows(t *testing.T) {
	task := tokensOn(t, "d.jsonl", `{"words": ["Ab", "cd"], "ner": ["B-X", "B-X"]}`+"\n"+`{"words": ["e"], "ner": ["O"]}`, map[string]any{"words_field": "words", "tags_field": "ner"})
	if _, err := task.Head(head.Config{}); err != nil {
		t.Fatal(err)
	}
	texts := NewPairEncoder(byteTokenizer{}, 3)
	ex := mustCollect(t, task, Train)[0]
	rows, truncated, err := task.Encode(texts, ex)
	if err != nil || truncated || len(rows) != 1 || len(rows[0].IDs) != 3 {
		t.Fatalf("got %+v, %v, %v", rows, truncated, err)
	}
	texts = NewPairEncoder(byteTokenizer{}, 2)
	if rows, _, err = task.Encode(texts, ex); err != nil {
		t.Fatal(err)
	}
	a, err := task.Postprocess(texts, ex, rows, [][][]float32{{{9, 0}, {0, 9}}, {{0, 9}, {9, 0}}})
	if err != nil || len(rows) != 2 || !slices.Equal(a.Labels, []string{"B-X", "O"}) {
		t.Errorf("got %q, %v", a.Labels, err)
	}
	if want := (Entity{"X", Span{"Ab", a.Entities[0].Probability, 0, 2}}); len(a.Entities) != 1 || a.Entities[0] != want || want.Probability < 0.99 {
		t.Errorf("got %+v", a.Entities)
	}
}

func TestTokensRefuse(t *testing.T) {
	for _, c := range []struct {
		file, content string
		want          []string
	}{
		{"d.txt", "a O\n\nb\n", []string{"d.txt:3: 1 columns; want 2"}},
		{"d.txt", "a X O\nb O\n", []string{"d.txt:2: 2 columns; want 3"}},
		{"d.txt", "\n\n-DOCSTART-\n", []string{"d.txt has no sentence"}},
		{"d.txt", "a O\n", []string{"1 tags"}},
		{"d.txt", "a \xff\n", []string{"d.txt:1: not valid UTF-8"}},
		{"d.jsonl", `{"tokens": ["a", "b"], "tags": ["O"]}`, []string{"d.jsonl:1: 2 words and 1 tags"}},
		{"d.jsonl", `{"tokens": "a b", "tags": ["O"]}`, []string{`d.jsonl:1: field "tokens" is a string`}},
	} {
		_, err := tokensOn(t, c.file, c.content, nil).Head(head.Config{})
		wantError(t, err, c.want...)
	}
	trained := head.Config{Kind: head.TokenClassification, Labels: []string{"O", "B-PER"}}
	_, err := tokensOn(t, "d.txt", "a O\nb B-LOC\n", nil).Head(trained)
	wantError(t, err, "d.txt:1", `label "B-LOC" is not known`)
}

// TestFinNER reads two files of SEC filings (Salinas Alvarado et al. 2015), where SPAGOTUNE_EVALDATA has them.
func TestFinNER(t *testing.T) {
	dir := os.Getenv("SPAGOTUNE_EVALDATA")
	train, test := filepath.Join(dir, "fin_ner", "train_FIN5.txt"), filepath.Join(dir, "fin_ner", "test_FIN3.txt")
	if _, err := os.Stat(train); dir == "" || err != nil {
		t.Skip("SPAGOTUNE_EVALDATA names no folder with fin_ner")
	}
	task := mustNew(t, "tokens", map[string]any{"data": train, "eval_data": test}).(*Tokens)
	h, err := task.Head(head.Config{})
	if want := []string{"I-LOC", "I-MISC", "I-ORG", "I-PER", "O"}; err != nil || !slices.Equal(h.Labels, want) {
		t.Fatalf("tags are %q, %v, want %q", h.Labels, err, want)
	}
	for split, want := range map[Split]int{Train: 1164, Eval: 303} {
		_, counts, err := EncodeAll(byteTokenizer{}, nil, task, split, 0)
		if err != nil || counts.Rows < want*9/10 || counts.Rows > want*11/10 {
			t.Errorf("%s: %v, %v", split, counts, err)
		}
	}
}

func TestSplitWords(t *testing.T) {
	text := "Ann (of U.S. fame) isn't here.\u00a0Überall…"
	var got []string
	for _, w := range splitWords(text) {
		got = append(got, text[w[0]:w[1]])
	}
	if want := []string{"Ann", "(", "of", "U.S", ".", "fame", ")", "isn't", "here", ".", "Überall", "…"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := splitWords(" \t"); got != nil {
		t.Errorf("words of nothing are %v", got)
	}
}

func FuzzCoNLL(f *testing.F) {
	for _, s := range []string{"a O\nb O\n\nc I-X", "-DOCSTART- O\n", "a\tb c\td\n", "\n \n", "a", "\xef\xbb\xbfa O"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		records, err := data.Read(data.ReadCoNLL, "d.txt", bytes.NewReader(content))
		if err != nil {
			return
		}
		task := &Tokens{TaggedColumns: newTaggedColumns()}
		for _, r := range records {
			ex, err := task.parse(r)
			if err != nil || r.Line < 1 {
				if err != nil && strings.Contains(err.Error(), "empty") {
					continue // a tag between two tabs
				}
				t.Fatalf("%s: %v", r.Raw, err)
			}
			for i, w := range ex.Input.Words {
				if word := ex.Input.Text[w[0]:w[1]]; strings.ContainsAny(word, "\n\t") {
					t.Errorf("word %d is %q", i, word)
				}
			}
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	f.Add("a (b) c.")
	f.Add("…")
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, w := range splitWords(text) {
			if w[0] < last || w[1] <= w[0] || w[1] > len(text) {
				t.Fatalf("words of %q: %v", text, splitWords(text))
			}
			last = w[1]
		}
	})
}
