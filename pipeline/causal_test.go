package pipeline_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/tasks/textgeneration"
	"github.com/nlpodyssey/cybertron/pkg/utils/nullable"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// TestCausalGeneration compares with infer.Session.Complete, whose text the pipeline's pieces add up to.
func TestCausalGeneration(t *testing.T) {
	s, err := infer.Open(t.Context(), infer.Embedded, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tok, err := s.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	c := must[*pipeline.TextGenerator](t)(pipeline.NewTextGenerator(s.Model, tok, pipeline.Options{MaxNewTokens: 12}))
	var task textgeneration.Interface = c
	got := must[textgeneration.Response](t)
	prompt := "Question: how many legs"
	ids, err := s.EncodePrompt(prompt, infer.PromptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Complete(t.Context(), ids, model.GenerationConfig{MaxNewTokens: 12}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := got(task.Generate(t.Context(), prompt, textgeneration.DefaultOptions()))
	if len(r.Texts) != 1 || r.Texts[0] != want.Text || want.Text == "" {
		t.Errorf("got %q, want %q", r.Texts, want.Text)
	}
	logProbs, err := s.LogLikelihoods(t.Context(), []infer.Question{{Prompt: ids, Choices: [][]int32{want.Tokens}}})
	if err != nil {
		t.Fatal(err)
	}
	if mean := logProbs[0][0] / float64(len(want.Tokens)); want.Reason == "length" && math.Abs(r.Scores[0]-mean) > 1e-4 {
		t.Errorf("score %g, want %g", r.Scores[0], mean)
	}
	var pieces []string
	streamed := got(c.Stream(t.Context(), prompt, nil, func(piece string) { pieces = append(pieces, piece) }))
	if strings.Join(pieces, "") != want.Text || streamed.Texts[0] != want.Text || len(pieces) < 2 {
		t.Errorf("pieces %q, text %q; want %q", pieces, streamed.Texts, want.Text)
	}
	all := must[[]textgeneration.Response](t)(c.GenerateAll(t.Context(), []string{"The", prompt}, nil))
	if all[1].Texts[0] != want.Text {
		t.Errorf("beside another text %q, want %q", all[1].Texts[0], want.Text)
	}
	sample := &textgeneration.Options{Sample: nullable.Type[bool]{Value: true, Valid: true}, Temperature: nullable.Type[float64]{Value: 1.5, Valid: true}}
	if _, err := c.Generate(t.Context(), prompt, sample); err != nil {
		t.Error(err)
	}
}

// TestCausalChat compares a conversation of messages with the prompt that the template renders.
func TestCausalChat(t *testing.T) {
	s, err := infer.Open(t.Context(), infer.Embedded, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tok, err := s.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	c := must[*pipeline.TextGenerator](t)(pipeline.NewTextGenerator(s.Model, tok, pipeline.Options{MaxNewTokens: 6}))
	messages := []chat.Message{{Role: "user", Content: "a"}, {Role: "assistant", Content: "b"}, {Role: "user", Content: "c"}}
	own := tok.ChatTemplate
	defer func() { tok.ChatTemplate = own }()
	tok.ChatTemplate = ""
	if _, err := c.Chat(t.Context(), messages, nil, nil); err == nil || !strings.Contains(err.Error(), "no chat template") {
		t.Errorf("got %v", err)
	}
	tok.ChatTemplate = `{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}`
	streamed := ""
	r, err := c.Chat(t.Context(), messages, nil, func(piece string) { streamed += piece })
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Complete(t.Context(), tok.Encode("user: a\nassistant: b\nuser: c\nassistant:", false), model.GenerationConfig{MaxNewTokens: 6}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Texts[0] != out.Text || streamed != out.Text {
		t.Errorf("got %q, streamed %q; want %q", r.Texts[0], streamed, out.Text)
	}
	if _, err := c.Chat(t.Context(), nil, nil, nil); err == nil || !strings.Contains(err.Error(), "no messages") {
		t.Errorf("got %v", err)
	}
	long := strings.Repeat("many words ", s.Model.Config().MaxPositionEmbeddings)
	if _, err := c.Generate(t.Context(), long, nil); !errors.Is(err, textgeneration.ErrInputSequenceTooLong) {
		t.Errorf("a long prompt: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Generate(ended, "a", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
