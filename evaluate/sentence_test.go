package evaluate

import (
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestSentenceVectors compares with sentence-transformers: with and without a prompt, which the pooling keeps or leaves out.
func TestSentenceVectors(t *testing.T) {
	tiny.SentenceCases(t, func(t *testing.T, dir string, c tiny.SentenceCase) {
		s, err := infer.Open(t.Context(), dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		inputs := make([]Input, len(c.Texts))
		for i, text := range c.Texts {
			inputs[i] = Input{Text: text, Pair: c.Texts[0]}
		}
		set := []string{"prompt_name=" + c.PromptName, "text_pair_prompt_name=" + c.PromptName}
		got, err := Predict(t.Context(), s, "", set, inputs)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range got {
			golden.Close(t, c.Texts[i], p.Vectors[0], c.Vectors[i], 1e-5, false)
			golden.Close(t, "the text beside "+c.Texts[i], p.Vectors[1], c.Vectors[0], 1e-5, false)
		}
	})
}
