package tasks

import (
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
)

// rowsOf are the rows of a split as text.
func rowsOf(t *testing.T, tok Tokenizer, task Task, split Split, maxLen int) ([]string, Counts) {
	t.Helper()
	rows, counts, err := EncodeAll(tok, nil, task, split, maxLen)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, r := range rows {
		texts = append(texts, tok.Decode(r.IDs, false))
		for i := range r.IDs {
			if want := r.IDs[i]; r.Labels[i] != want && !(slices.Contains(r.DocumentStarts, i) && r.Labels[i] == head.IgnoreIndex) {
				t.Errorf("%s: token %d is not scored", r.Source, i)
			}
		}
	}
	return texts, counts
}

func TestTextBlocks(t *testing.T) {
	const plain = "abcdefghij\r\nklmnopqrst\nuvw"
	const lines = `{"text":"abcdef","n":1}` + "\n" + `{"text":"g"}` + "\n" + `{"text":"hijk"}` + "\n"
	for _, c := range []struct {
		what, file, data string
		options          map[string]any
		tok              byteTokenizer
		maxLen           int
		want             string
		counts           Counts
	}{
		{"plain", "d.txt", plain, nil, byteTokenizer{}, 0, "abcdefgh|ij\nklmno|pqrst\nuv",
			Counts{Rows: 3, Tokens: 24, Scored: 21}}, // the last block would be "w" alone: nothing to score
		{"shorter than a block", "d.txt", plain, nil, byteTokenizer{}, 5, "abcde|fghij|\nklmn|opqrs|t\nuvw", Counts{Rows: 5, Tokens: 25, Scored: 20}},
		{"beginning of sequence", "d", "abcdefgh", nil, byteTokenizer{addBOS: true}, 0, "<s>abcdefg", Counts{Rows: 1, Tokens: 8, Scored: 7}},
		{"records", "d.jsonl", lines, nil, byteTokenizer{}, 0, "abcdef</s>|g</s>|hijk</s>", Counts{Rows: 3, Tokens: 14, Scored: 11}},
		{"no end token", "d.jsonl", lines, nil, byteTokenizer{noEOS: true}, 0, "abcdef|hijk",
			Counts{Rows: 2, Tokens: 10, Scored: 8, Skipped: 1, Why: "DIR/d.jsonl:2: no scored token"}},
		{"packed", "d.jsonl", lines, map[string]any{"pack": true}, byteTokenizer{}, 0, "abcdef</s>g|</s>hijk</s>", Counts{Rows: 2, Tokens: 14, Scored: 10}},
		{"packed, seen", "d.jsonl", lines, map[string]any{"pack": true, "isolate": false}, byteTokenizer{}, 0, "abcdef\n</s>|g\n</s>hijk\n|", Counts{Rows: 2, Tokens: 16, Scored: 14}},
		{"packed, no end token", "d.JSON", "[" + strings.ReplaceAll(lines[:len(lines)-1], "\n", ",") + "]", map[string]any{"pack": true, "isolate": false},
			byteTokenizer{noEOS: true}, 0, "abcdef\ng|\nhijk\n", Counts{Rows: 2, Tokens: 14, Scored: 12}},
		{"fields", "d.jsonl", `{"q":"ab","a":"cd"}`, map[string]any{"field": []string{"q", "a"}}, byteTokenizer{}, 0, "ab\ncd</s>",
			Counts{Rows: 1, Tokens: 6, Scored: 5}},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, c.file), c.data)
			options := map[string]any{"data": filepath.Join(dir, c.file), "eval_fraction": 0, "block_size": 8}
			for k, v := range c.options {
				options[k] = v
			}
			texts, counts := rowsOf(t, c.tok, mustNew(t, "text", options), Train, c.maxLen)
			counts.Why = strings.ReplaceAll(filepath.ToSlash(counts.Why), filepath.ToSlash(dir), "DIR")
			got := strings.Join(texts, "|")
			if got != strings.TrimSuffix(c.want, "|") || counts != c.counts {
				t.Errorf("got %q, %+v; want %q, %+v", got, counts, c.want, c.counts)
			}
		})
	}
}

// TestDocumentStarts: a block says where its documents begin, and the first token of each is not scored.
func TestDocumentStarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, path, `{"text":"abc"}`+"\n"+`{"text":"de"}`+"\n"+`{"text":"fghijk"}`+"\n")
	rows, _, err := EncodeAll(byteTokenizer{}, nil, mustNew(t, "text", map[string]any{"data": path, "eval_fraction": 0, "block_size": 7, "pack": true}), Train, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]int
	for _, r := range rows {
		all = append(all, r.DocumentStarts)
		for _, start := range r.DocumentStarts {
			if r.Labels[start] != head.IgnoreIndex {
				t.Errorf("token %d begins a document and is scored", start)
			}
		}
	}
	if want := [][]int{{4}, nil}; !reflect.DeepEqual(all, want) { // abc</s> de</s> | fghijk</s>
		t.Errorf("documents begin at %v, want %v", all, want)
	}
}

// TestEvalFraction: a share that is a whole number of records holds out that many, any other the next one.
func TestEvalFraction(t *testing.T) {
	for _, c := range []struct {
		share    float64
		n, holds int
	}{{0.3, 90, 27}, {0.07, 100, 7}, {0.1, 70, 7}, {0.1, 71, 8}, {0.5, 3, 2}, {0, 5, 0}, {0.9, 1, 1}} {
		task := Text{EvalFraction: c.share}
		if from, to := task.cut(evalPart, c.n); from != c.n-c.holds || to != c.n {
			t.Errorf("eval_fraction %g of %d holds out %d to %d, want the last %d", c.share, c.n, from, to, c.holds)
		}
	}
}

// endless is byteTokenizer without a token that ends a text.
type endless struct{ byteTokenizer }

func (endless) EOS() (int32, bool) { return 0, false }

// TestEmptyDocuments: a document without a token begins nowhere, also at the end.
func TestEmptyDocuments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, path, `{"text":"abc"}`+"\n"+`{"text":""}`+"\n"+`{"text":"de"}`+"\n"+`{"text":""}`+"\n")
	rows, _, err := EncodeAll(endless{}, nil, mustNew(t, "text", map[string]any{"data": path, "eval_fraction": 0, "block_size": 9, "pack": true}), Train, 0)
	if err != nil || len(rows) != 1 || len(rows[0].IDs) != 5 || !slices.Equal(rows[0].DocumentStarts, []int{3}) {
		t.Errorf("got %+v, %v", rows, err)
	}
}

// TestTextSplits: train and eval together are the file. It is cut between characters.
func TestTextSplits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.txt")
	text := "äöüß\nabc\ndefg 日本語\n"
	write(t, path, text)
	for _, fraction := range []float64{0.1, 0.3, 0.5, 0.77, 0.95} {
		task := mustNew(t, "text", map[string]any{"data": path, "eval_fraction": fraction})
		train, eval := mustCollect(t, task, Train), mustCollect(t, task, Eval)
		got := ""
		for _, ex := range append(train, eval...) {
			got += ex.Segments[0].Text
		}
		if strings.TrimSpace(got) != strings.TrimSpace(text) {
			t.Errorf("%g: train and eval are %q, want %q", fraction, got, text)
		}
	}
	other := filepath.Join(t.TempDir(), "e.txt")
	write(t, other, "other")
	task := mustNew(t, "text", map[string]any{"data": path, "eval_data": other})
	if got := mustCollect(t, task, Train)[0].Segments[0].Text; got != text {
		t.Errorf("with eval_data, train is %q, want all", got)
	}
	if got := mustCollect(t, task, Test)[0].Segments[0].Text; got != "other" {
		t.Errorf("test is %q", got)
	}
	task = mustNew(t, "text", map[string]any{"eval_data": path, "test_data": other})
	if got := mustCollect(t, task, Test)[0].Segments[0].Text; got != "other" {
		t.Errorf("test is %q", got)
	}
	_, err := collect(t, task, Train)
	wantError(t, err, "option data is missing")
}

func TestTextEmbedded(t *testing.T) {
	task := mustNew(t, "text", map[string]any{"data": "embedded:tinyshakespeare/input.txt"})
	texts, counts := rowsOf(t, byteTokenizer{}, task, Train, 0)
	if all := strings.Join(texts, ""); len(all) != 176365 || counts.Rows != 1378 || !strings.HasPrefix(all, "First Citizen:\n") {
		t.Errorf("%d bytes, %s", len(all), counts)
	}
	eval := mustCollect(t, task, Eval)
	if text := eval[0].Segments[0].Text; len(text) != 195962-176365 || eval[0].Source != "embedded:tinyshakespeare/input.txt:6730" {
		t.Errorf("eval has %d bytes, at %s", len(text), eval[0].Source)
	}
}

func TestTextRefuses(t *testing.T) {
	for _, c := range []struct{ what, file, data, want string }{
		{"encoding", "d.txt", "abc\nde\xfff\n", "d.txt:2: not valid UTF-8"},
		{"empty", "d.txt", "", "d.txt is empty"},
		{"blank", "d.txt", " \n\n", "d.txt has no text"},
		{"one character", "d.txt", "a", "data: no scored token in "},
		{"field", "d.jsonl", "{\"text\":\"a\"}\n{\"Text\":\"a\"}", `d.jsonl:2: field "text" is missing; the record has Text`},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			write(t, path, c.data)
			_, _, err := EncodeAll(byteTokenizer{}, nil, mustNew(t, "text", map[string]any{"data": path, "eval_fraction": 0}), Train, 0)
			wantError(t, err, c.want)
		})
	}
}

// TestNothingHeldOutIsNotRead: where nothing is held out, the eval split has no document, and no file is opened for it.
func TestNothingHeldOutIsNotRead(t *testing.T) {
	opened := 0
	open := func(string) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(`{"text": "a b c"}`)), nil
	}
	for split, want := range map[Split]int{Train: 1, Eval: 0, Test: 0} {
		task := &Text{Data: data.Files("d.jsonl"), Field: data.Paths{"text"}, BlockSize: 8, reading: reading{data.Store{Open: open}}}
		documents := 0
		opened = 0
		for _, err := range task.Examples(split) {
			if documents++; err != nil {
				t.Fatal(err)
			}
		}
		if documents != want || opened != want {
			t.Errorf("%s: %d documents, opened %d times", split, documents, opened)
		}
	}
}
