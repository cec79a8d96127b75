package tasks

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tokenizer"
)

// TestInterrupt ends the reading of every form of data, before it begins and at the fifth example.
func TestInterrupt(t *testing.T) {
	stop := errors.New("stop")
	lines := func(format string) string {
		var b strings.Builder
		for i := range 200 {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct{ task, file, content string }{
		{"text", "d.txt", lines("text %d\n")},
		{"text", "d.jsonl", lines(`{"text": "number %d"}` + "\n")},
		{"text", "d.json", `[` + strings.TrimSuffix(lines(`{"text": "number %d"},`), ",") + `]`},
		{"classify", "d.csv", "text,label\n" + lines("text %d,a\nother,b\n")},
		{"classify", "d.tsv", "text\tlabel\n" + lines("text %d\ta\nother\tb\n")},
		{"tokens", "d.conll", lines("word%d O\n\nname B-X\n\n")},
		{"seq2seq", "d.jsonl", lines(`{"source": "number %d", "target": "x"}` + "\n")},
		{"qa", "d.json", `{"data": [{"paragraphs": [{"context": "abc", "qas": [` + strings.TrimSuffix(lines(`{"question": "q%d", "is_impossible": true},`), ",") + `]}]}]}`},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		write(t, path, c.content)
		for _, after := range []int{0, 5} {
			if c.file == "d.txt" && after > 0 { // it is one document
				continue
			}
			task := mustNew(t, c.task, map[string]any{"data": path})
			ctx, cancel := context.WithCancelCause(t.Context())
			task.(Interruptible).SetContext(ctx)
			n := 0
			if after == 0 {
				cancel(stop)
			}
			rows, _ := EncodeEach(byteTokenizer{addBOS: true}, nil, task, Train, 8, func(Example) {
				if n++; n == after {
					cancel(stop)
				}
			})
			var err error
			for _, err = range rows { //nolint:revive // the last error counts
			}
			if !errors.Is(err, stop) || n > after {
				t.Errorf("%s of %s, after %d examples: %d were read, then %v", c.task, c.file, after, n, err)
			}
			cancel(nil)
		}
	}
}

// TestSharedContext checks that questions share the text that they are about, and that it is encoded once.
func TestSharedContext(t *testing.T) {
	const questions = 50
	var qas []string
	for i := range questions {
		qas = append(qas, fmt.Sprintf(`{"question": "q%d", "answers": [{"text": "ä", "answer_start": 1}]}`, i))
	}
	content := `{"data": [{"paragraphs": [{"context": "xä` + strings.Repeat(" word", 1000) + `", "qas": [` + strings.Join(qas, ",") + `]}]}]}`
	records, err := data.Read(data.ReadSQuAD, "d.json", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Context != records[0].Context || len(r.Raw) > 100 {
			t.Fatalf("a record of its own: %s", r.Raw)
		}
	}
	tok := &countingTokenizer{}
	_, counts, err := EncodeAll(tok, nil, qaOn(t, content, nil), Train, 0)
	if err != nil || counts.Rows < questions || tok.long != 1 {
		t.Errorf("%d rows, the text was encoded %d times: %v", counts.Rows, tok.long, err)
	}
}

// countingTokenizer counts the long texts that it encodes.
type countingTokenizer struct {
	byteTokenizer
	long int
}

func (t *countingTokenizer) EncodePlus(text string, addSpecialTokens bool) tokenizer.Encoding {
	if len(text) > 1000 {
		t.long++
	}
	return t.byteTokenizer.EncodePlus(text, addSpecialTokens)
}

// TestTokenizerIsToBlame checks that a tokenizer which fails is named, and not the data for which it has no tokens.
func TestTokenizerIsToBlame(t *testing.T) {
	tok, err := tokenizer.Parse([]byte(`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": false},
		"model": {"type": "BPE", "vocab": {"a": 0, "!": 1}, "merges": []}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "d.txt")
	write(t, path, strings.Repeat("a", 40)+"!")
	_, _, err = EncodeAll(tok, nil, mustNew(t, "text", map[string]any{"data": path, "eval_fraction": 0}), Train, 0)
	if !errors.Is(err, tokenizer.ErrUnbounded) || errors.Is(err, ErrNotScored) || !strings.Contains(err.Error(), `the regular expression "(a+)+$"`) {
		t.Errorf("got %v", err)
	}
}
