package pipeline

import (
	"context"
	"fmt"

	"github.com/nlpodyssey/cybertron/pkg/tasks/languagemodeling"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// LanguageModel is Cybertron's language modeling over a host: it fills in masked tokens.
type LanguageModel struct {
	runner *runner
	mask   int32
}

var _ languagemodeling.Interface = (*LanguageModel)(nil)

// NewLanguageModel makes one of a model with a head for masked tokens, whose tokenizer has a mask.
func NewLanguageModel(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*LanguageModel, error) {
	h, err := newRunner("language modeling", m, tok, o, head.MaskedLM)
	if err != nil {
		return nil, err
	}
	mask, ok := tok.Mask()
	if !ok {
		if mask, ok = tok.ID("[MASK]"); !ok {
			return nil, fmt.Errorf("pipeline: language modeling: the tokenizer has no mask token")
		}
	}
	return &LanguageModel{h, mask}, nil
}

// defaultWords is how many words are predicted for a mask where the parameters name no number, as in Cybertron.
const defaultWords = 10

// Predict returns the likeliest K tokens for every mask of a text, in the text's order; a text without a mask has none.
func (c *LanguageModel) Predict(ctx context.Context, text string, p languagemodeling.Parameters) (languagemodeling.Response, error) {
	all, err := c.PredictAll(ctx, []string{text}, p)
	if err != nil {
		return languagemodeling.Response{}, err
	}
	return all[0], nil
}

// PredictAll fills in the masks of many texts at once.
func (c *LanguageModel) PredictAll(ctx context.Context, texts []string, p languagemodeling.Parameters) ([]languagemodeling.Response, error) {
	all, err := c.predict(ctx, texts, p)
	if err != nil {
		return nil, fmt.Errorf("pipeline: language modeling: %w", err)
	}
	return all, nil
}

func (c *LanguageModel) predict(ctx context.Context, texts []string, p languagemodeling.Parameters) ([]languagemodeling.Response, error) {
	if p.K < 0 {
		return nil, fmt.Errorf("parameter K is %d; want 0 or more", p.K)
	}
	if p.K == 0 {
		p.K = defaultWords
	}
	all := make([]languagemodeling.Response, len(texts))
	var docs []tokenizer.Encoding
	var of []int // the text of each document
	for i, text := range texts {
		e, err := c.runner.encode(text, languagemodeling.ErrInputSequenceTooLong)
		if err != nil {
			return nil, which(err, i, len(texts))
		}
		all[i].Tokens = []languagemodeling.Token{}
		if len(c.masks(e.IDs)) > 0 {
			docs, of = append(docs, e), append(of, i)
		}
	}
	predictions := pass{c.logits, func(e tokenizer.Encoding) int { return len(c.masks(e.IDs)) }}
	err := c.runner.each(ctx, docs, predictions, func(d int, y tensor.Matrix) {
		for row, at := range c.masks(docs[d].IDs) {
			all[of[d]].Tokens = append(all[of[d]].Tokens, c.token(docs[d].Offsets[at], y.Row(row), p.K))
		}
	})
	return all, err
}

// logits are the scores of the vocabulary for the masks.
func (c *LanguageModel) logits(t *op.Pass, b *model.Batch) (tensor.Matrix, error) {
	return c.runner.Logits(t, b, c.masks(b.IDs), nil)
}

// masks lists the places of the masks.
func (c *LanguageModel) masks(ids []int32) []int {
	var at []int
	for i, id := range ids {
		if id == c.mask {
			at = append(at, i)
		}
	}
	return at
}

// token is the answer for a mask.
func (c *LanguageModel) token(at [2]int, logits []float32, k int) languagemodeling.Token {
	t := languagemodeling.Token{Start: at[0], End: at[1], Words: []string{}, Scores: []float64{}}
	p := numeric.Softmax(logits)
	for _, i := range numeric.TopN(p, k) {
		word, ok := c.runner.tok.Token(int32(i))
		if !ok { // a row of the table that no token has
			word = "[UNK]"
		}
		t.Words, t.Scores = append(t.Words, word), append(t.Scores, p[i])
	}
	return t
}
