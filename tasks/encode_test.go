package tasks

import (
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/head"
)

func TestEncode(t *testing.T) {
	ex := Example{Source: "d:1", Segments: []Segment{{Text: "ab"}, {Text: "cd", Scored: true, EOS: true}}}
	const x = head.IgnoreIndex
	for _, c := range []struct {
		what        string
		tok         byteTokenizer
		maxLen      int
		ids, labels []int32
	}{
		{"whole", byteTokenizer{}, 0, []int32{'a', 'b', 'c', 'd', testEOS}, []int32{x, x, 'c', 'd', testEOS}},
		{"just fits", byteTokenizer{}, 5, []int32{'a', 'b', 'c', 'd', testEOS}, []int32{x, x, 'c', 'd', testEOS}},
		{"cut", byteTokenizer{}, 3, []int32{'a', 'b', 'c'}, []int32{x, x, 'c'}},
		{"beginning", byteTokenizer{addBOS: true}, 4, []int32{testBOS, 'a', 'b', 'c'}, []int32{x, x, x, 'c'}},
	} {
		ids, labels, err := Encode(c.tok, nil, ex, c.maxLen)
		if err != nil || !slices.Equal(ids, c.ids) || !slices.Equal(labels, c.labels) {
			t.Errorf("%s: got %v, %v, %v; want %v, %v", c.what, ids, labels, err, c.ids, c.labels)
		}
	}
	_, _, err := Encode(byteTokenizer{}, nil, ex, 2)
	wantError(t, err, "d:1: no scored token in the first 2 of its 5 tokens")
	if !errors.Is(err, ErrNotScored) {
		t.Errorf("%v is not ErrNotScored", err)
	}
	_, _, err = Encode(byteTokenizer{}, nil, Example{Source: "d:1", Segments: []Segment{{Text: "a", Scored: true}}}, 0)
	if !errors.Is(err, ErrNotScored) {
		t.Errorf("a single token: got %v, want ErrNotScored", err)
	}
	_, _, err = Encode(byteTokenizer{noEOS: true}, nil, ex, 0)
	wantError(t, err, "d:1: ", "end-of-sequence token, but the tokenizer has none")
	prompt, err := EncodePrompt(byteTokenizer{addBOS: true}, nil, Example{Prompt: "ab"})
	if err != nil || !slices.Equal(prompt, []int32{testBOS, 'a', 'b'}) {
		t.Errorf("prompt is %v, %v", prompt, err)
	}
}

// wrapped puts special tokens before and after a text, as BERT's tokenizer does.
type wrapped struct{ byteTokenizer }

func (w wrapped) Encode(text string, addSpecialTokens bool) []int32 {
	ids := w.byteTokenizer.Encode(text, false)
	if addSpecialTokens {
		ids = append([]int32{300, 301}, append(ids, 302)...)
	}
	return ids
}

// mute encodes every text as no token.
type mute struct{ byteTokenizer }

func (mute) Encode(string, bool) []int32 { return nil }

func TestBefore(t *testing.T) {
	for _, c := range []struct {
		tok  Tokenizer
		want []int32
	}{{byteTokenizer{}, nil}, {byteTokenizer{addBOS: true}, []int32{testBOS}}, {wrapped{}, []int32{300, 301}}, {mute{}, nil}} {
		if got := before(c.tok); !slices.Equal(got, c.want) {
			t.Errorf("%T: got %v, want %v", c.tok, got, c.want)
		}
	}
}

// list is a task of given examples.
type list []Example

func (l list) Examples(Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for _, ex := range l {
			if !yield(ex, nil) {
				return
			}
		}
	}
}

func (list) Score(Example, string) float64 { return 0 }

func TestEncodeAllCounts(t *testing.T) {
	example := func(where, prompt, answer string) Example {
		return Example{Source: where, Segments: []Segment{{Text: prompt}, {Text: answer, Scored: true}}}
	}
	task := list{example("d:1", "a", "bc"), example("d:2", "abcdef", "g"), example("d:3", "abc", "defg"), example("e:1", "abcdefg", "h")}
	rows, counts, err := EncodeAll(byteTokenizer{}, nil, task, Train, 5)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Source != "d:1" || rows[1].Source != "d:3" {
		t.Errorf("rows are %+v", rows)
	}
	if got, want := counts.String(), "2 rows, 8 tokens, 4 scored, 1 truncated, 2 skipped (d:2: no scored token in the first 5 of its 7 tokens)"; got != want {
		t.Errorf("counts are %q, want %q", got, want)
	}
	_, _, err = EncodeAll(byteTokenizer{}, nil, task[1:], Train, 2)
	if !errors.Is(err, ErrNotScored) {
		t.Errorf("%v is not ErrNotScored", err)
	}
	wantError(t, err, "data: no scored token in d, e: none of 3 examples has one (d:2: no scored token in the first 2 of its 7 tokens)")
	_, _, err = EncodeAll(byteTokenizer{}, nil, list{}, Eval, 0)
	if !errors.Is(err, ErrNoExamples) {
		t.Errorf("%v is not ErrNoExamples", err)
	}
	wantError(t, err, "data: no examples for the eval split")
	many := list{example("a:1", "", ""), example("b:1", "", ""), example("c:1", "", ""), example("d:1", "", "")}
	_, _, err = EncodeAll(byteTokenizer{}, nil, many, Train, 0)
	wantError(t, err, "in a, b, c, …: none of 4")
}

// TestRowsIsLazy: the first rows come without the others.
func TestRowsIsLazy(t *testing.T) {
	for _, name := range []string{"memory", "text"} {
		options := map[string]any{}
		if name == "text" {
			options["data"] = "embedded:tinyshakespeare/input.txt"
		}
		n := 0
		for row, err := range Rows(byteTokenizer{}, nil, mustNew(t, name, options), Train, 0) {
			if err != nil || row.Scored() == 0 {
				t.Fatalf("%+v, %v", row, err)
			}
			if n++; n == 3 {
				break
			}
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		ids, labels []int32
		want        string
	}{
		{nil, nil, "\n0 tokens, 0 scored"},
		{[]int32{'a', testEOS}, []int32{head.IgnoreIndex, testEOS}, "a⟦</s>⟧\n2 tokens, 1 scored"},
		{[]int32{'a', 'b', 'c'}, []int32{'a', head.IgnoreIndex, 'c'}, "ab⟦c⟧\n3 tokens, 1 scored"},
	} {
		if got := Format(byteTokenizer{}, c.ids, c.labels); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestErrorsStop: a conversation without a template is an error with its line.
func TestErrorsStop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, path, `{"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]}`)
	_, _, err := EncodeAll(byteTokenizer{}, nil, mustNew(t, "instruct", map[string]any{"data": path}), Train, 0)
	wantError(t, err, "d.jsonl:1: chat messages need a chat template")
}
