package infer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

// TestCompleteStreamsTheText checks that the streamed pieces add up to the text, also with a WordPiece tokenizer, which
// removes the space before a full stop when it decodes.
func TestCompleteStreamsTheText(t *testing.T) {
	dir := tiny.Folder(t, fmt.Sprintf(`{"model_type": "llama", "vocab_size": %d, "hidden_size": 16, "intermediate_size": 24, "initializer_range": 0.2,
 "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 256}`, len(tiny.Vocabulary())))
	s, err := Open(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	prompt, err := s.EncodePrompt("ann is in ulm. where is the film?", PromptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	marks := 0
	for seed := range uint64(20) {
		var streamed strings.Builder
		c, err := s.Complete(t.Context(), prompt, model.GenerationConfig{MaxNewTokens: 60, Temperature: 1, Seed: seed}, func(piece string) { streamed.WriteString(piece) })
		if err != nil {
			t.Fatal(err)
		}
		if streamed.String() != c.Text {
			t.Errorf("seed %d: streamed %q, the text is %q", seed, streamed.String(), c.Text)
		}
		marks += strings.Count(c.Text, ".")
	}
	if marks == 0 {
		t.Error("no text has a full stop; the test says nothing about the clean-up")
	}
}
