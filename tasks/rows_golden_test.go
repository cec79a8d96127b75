package tasks

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// goldenRow is a line of rows.json: a conversation as transformers turns it into tokens.
type goldenRow struct {
	Template, Tokenizer string
	Conversation        int
	IDs                 []int32
	Mask                *[][2]int // ranges of tokens that the assistant says; nil: not known
	Differs, Error      string
}

// goldenRows is the first line.
type goldenRows struct {
	// Templates are all templates, or Extra those beside the built-in ones.
	Templates, Extra map[string]string
	Conversations    []struct {
		Messages []chat.Message
		Tools    json.RawMessage
	}
}

// TestGoldenRows compares rows of conversations with scripts/golden/chat_rows.py: ids, and what is scored. It runs over
// the committed file and over that of $SPAGOTUNE_GOLDEN, which may have published templates.
func TestGoldenRows(t *testing.T) {
	paths := []string{filepath.Join("..", "testdata", "golden", "chat", "rows.json")}
	if dir := os.Getenv("SPAGOTUNE_GOLDEN"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "chat", "rows*.json"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, more...)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { compareRows(t, path) })
	}
}

func compareRows(t *testing.T, path string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<26)
	var file goldenRows
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &file) != nil {
		t.Fatalf("%s does not begin with templates and conversations", path)
	}
	toks, templates, n := map[string]*tokenizer.Tokenizer{}, map[string]*chat.Template{}, 0
	for ; lines.Scan(); n++ {
		var row goldenRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if toks[row.Tokenizer] == nil {
			toks[row.Tokenizer] = withEnds(t, row.Tokenizer)
		}
		template := templates[row.Template]
		if template == nil {
			if template, err = chat.ParseTemplate(file.source(row.Template)); err != nil {
				t.Fatalf("%s: %v", row.Template, err)
			}
			templates[row.Template] = template
		}
		c := file.Conversations[row.Conversation]
		ex := Example{Source: fmt.Sprintf("%s, conversation %d", row.Template, row.Conversation), Chat: c.Messages, Tools: c.Tools}
		if string(ex.Tools) == "null" {
			ex.Tools = nil
		}
		row.compare(t, toks[row.Tokenizer], template, ex)
	}
	if n == 0 {
		t.Error("no rows")
	}
}

// source is a template by its name.
func (f *goldenRows) source(name string) string {
	if s, ok := f.Templates[name]; ok {
		return s
	}
	if s, ok := f.Extra[name]; ok {
		return s
	}
	b, _ := chat.BuiltinTemplate(name)
	return b.Source
}

// withEnds is a tokenizer of the golden files with <s> and </s>.
func withEnds(t *testing.T, name string) *tokenizer.Tokenizer {
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "golden", "tokenizers", name, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(raw, []byte(`{"bos_token": "<s>", "eos_token": "</s>"}`))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// atTime is a template whose clock stands still.
type atTime struct{ *chat.Template }

func (c atTime) Segments(messages []chat.Message, opts chat.Options) ([]chat.Segment, error) {
	opts.Now = func() time.Time { return time.Date(2026, 7, 4, 17, 6, 9, 0, time.UTC) }
	return c.Template.Segments(messages, opts)
}

func (r *goldenRow) compare(t *testing.T, tok *tokenizer.Tokenizer, template *chat.Template, ex Example) {
	ids, labels, err := Encode(tok, atTime{template}, ex, 0)
	switch {
	case r.Error != "" || r.Differs == "form":
		return // a template may take another form of the conversation than it was given
	case r.Differs == "dropped":
		if !errors.Is(err, chat.ErrTurnNotFound) {
			t.Errorf("%s: got %v, want %v", ex.Source, err, chat.ErrTurnNotFound)
		}
		return
	case errors.Is(err, ErrNotScored) && (r.Mask == nil || len(*r.Mask) == 0):
		return
	case err != nil:
		t.Errorf("%s: %v", ex.Source, err)
		return
	case !slices.Equal(ids, r.IDs):
		t.Errorf("%s, %s: ids\n got %d %q\nwant %d %q", ex.Source, r.Tokenizer, ids, tok.Decode(ids, false), r.IDs, tok.Decode(r.IDs, false))
		return
	case r.Mask == nil:
		return
	}
	want := make([]int32, len(ids))
	for i := range want {
		want[i] = head.IgnoreIndex
	}
	for _, m := range *r.Mask {
		copy(want[m[0]:m[1]], ids[m[0]:m[1]])
	}
	if !slices.Equal(labels, want) {
		t.Errorf("%s, %s:\n got %s\nwant %s", ex.Source, r.Tokenizer, Format(tok, ids, labels), Format(tok, ids, want))
	}
}
