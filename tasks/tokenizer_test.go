package tasks

import (
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Special tokens of byteTokenizer.
const (
	testBOS  = 256
	testEOS  = 257
	testMask = 258
)

// byteTokenizer has a token for each byte, and the special tokens <s> and </s>.
type byteTokenizer struct {
	addBOS, noEOS bool
}

func (b byteTokenizer) Encode(text string, addSpecialTokens bool) []int32 {
	var ids []int32
	if addSpecialTokens && b.addBOS {
		ids = append(ids, testBOS)
	}
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "<s>"):
			ids = append(ids, testBOS)
			i += len("<s>") - 1
		case strings.HasPrefix(text[i:], "</s>"):
			ids = append(ids, testEOS)
			i += len("</s>") - 1
		default:
			ids = append(ids, int32(text[i]))
		}
	}
	return ids
}

func (b byteTokenizer) Decode(ids []int32, skipSpecialTokens bool) string {
	var s strings.Builder
	for _, id := range ids {
		switch {
		case id < 256:
			s.WriteByte(byte(id))
		case skipSpecialTokens:
		case id == testBOS:
			s.WriteString("<s>")
		default:
			s.WriteString("</s>")
		}
	}
	return s.String()
}

// EncodePlus gives every token a type and an offset. The texts of the tests have characters of one byte.
func (b byteTokenizer) EncodePlus(text string, addSpecialTokens bool) tokenizer.Encoding {
	e := tokenizer.Encoding{IDs: b.Encode(text, addSpecialTokens)}
	at, added := 0, len(e.IDs)-len(b.Encode(text, false))
	for i, id := range e.IDs {
		n := 1
		switch {
		case i < added:
			n = 0
		case id == testBOS:
			n = len("<s>")
		case id == testEOS:
			n = len("</s>")
		}
		e.Offsets, e.TypeIDs = append(e.Offsets, [2]int{at, at + n}), append(e.TypeIDs, 0)
		at += n
	}
	return e
}

// EncodePair puts </s> between two texts and after them.
func (b byteTokenizer) EncodePair(first, second string, addSpecialTokens bool) tokenizer.Encoding {
	e := b.EncodePlus(first, addSpecialTokens)
	two := b.EncodePlus(second, false)
	if addSpecialTokens {
		two.IDs = append(append([]int32{testEOS}, two.IDs...), testEOS)
	}
	e.IDs = append(e.IDs, two.IDs...)
	for len(e.TypeIDs) < len(e.IDs) {
		e.TypeIDs = append(e.TypeIDs, 1)
	}
	return e
}

// EncodeWords encodes word by word.
func (b byteTokenizer) EncodeWords(words []string, addSpecialTokens bool) tokenizer.Encoding {
	e := b.EncodePlus("", addSpecialTokens)
	for range e.IDs {
		e.WordIDs = append(e.WordIDs, -1)
	}
	for i, w := range words {
		for _, id := range b.Encode(w, false) {
			e.IDs, e.WordIDs, e.TypeIDs = append(e.IDs, id), append(e.WordIDs, int32(i)), append(e.TypeIDs, 0)
		}
	}
	return e
}

func (b byteTokenizer) Mask() (int32, bool) { return testMask, true }

func (b byteTokenizer) VocabSize() int { return 259 }

func (b byteTokenizer) EOS() (int32, bool) { return testEOS, !b.noEOS }

func (b byteTokenizer) BOS() (int32, bool) { return testBOS, true }

// testTemplate writes a turn as "[role]content</s>" after the beginning of the sequence.
type testTemplate struct{}

func (testTemplate) Segments(messages []chat.Message, opts chat.Options) ([]chat.Segment, error) {
	out := []chat.Segment{{Text: opts.BOS + string(opts.Tools)}}
	for _, m := range messages {
		out = append(out, chat.Segment{Text: "[" + m.Role + "]"},
			chat.Segment{Text: m.Content + opts.EOS, Assistant: m.Role == "assistant"})
	}
	if opts.AddGenerationPrompt {
		out = append(out, chat.Segment{Text: "[assistant]"})
	}
	return out, nil
}

var (
	_ Tokenizer = byteTokenizer{}
	_ Template  = testTemplate{}
)

// collect is all examples that a split yields.
func collect(t *testing.T, task Task, split Split) ([]Example, error) {
	t.Helper()
	var all []Example
	for ex, err := range task.Examples(split) {
		if err != nil {
			return all, err
		}
		all = append(all, ex)
	}
	return all, nil
}

// mustCollect is collect that fails the test on an error.
func mustCollect(t *testing.T, task Task, split Split) []Example {
	t.Helper()
	all, err := collect(t, task, split)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mustNew makes a task.
func mustNew(t *testing.T, name string, options map[string]any) Task {
	t.Helper()
	task, err := New(name, options)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// wantError checks that the text of an error contains some parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("got no error, want %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got %q, want it to contain %q", err, p)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("got an error of several lines: %q", err)
	}
}
