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

// LanguageModel implements Cybertron's language modeling: it predicts masked tokens.
type LanguageModel struct {
	runner *runner
	maskID int32
}

var _ languagemodeling.Interface = (*LanguageModel)(nil)

// NewLanguageModel returns a pipeline for a masked language model. The tokenizer must have a mask token.
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

// defaultK is the default number of words that are predicted for a mask, as in Cybertron.
const defaultK = 10

// Predict returns the K most likely tokens for every mask of a text, in the order of the text.
func (c *LanguageModel) Predict(ctx context.Context, text string, p languagemodeling.Parameters) (languagemodeling.Response, error) {
	all, err := c.PredictAll(ctx, []string{text}, p)
	if err != nil {
		return languagemodeling.Response{}, err
	}
	return all[0], nil
}

// PredictAll is Predict for several texts at once.
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
		p.K = defaultK
	}
	all := make([]languagemodeling.Response, len(texts))
	var masked []tokenizer.Encoding
	var indices []int // of the texts with masks
	for i, text := range texts {
		e, err := c.runner.encode(text, languagemodeling.ErrInputSequenceTooLong)
		if err != nil {
			return nil, textError(err, i, len(texts))
		}
		all[i].Tokens = []languagemodeling.Token{}
		if len(c.maskPositions(e.IDs)) > 0 {
			masked, indices = append(masked, e), append(indices, i)
		}
	}
	predictions := computation{c.logits, func(e tokenizer.Encoding) int { return len(c.maskPositions(e.IDs)) }}
	err := c.runner.each(ctx, masked, predictions, func(m int, y tensor.Matrix) {
		response := &all[indices[m]]
		for row, position := range c.maskPositions(masked[m].IDs) {
			response.Tokens = append(response.Tokens, c.prediction(masked[m].Offsets[position], y.Row(row), p.K))
		}
	})
	return all, err
}

// logits returns the logits at the masks, [masks, vocabulary].
func (c *LanguageModel) logits(p *op.Pass, b *model.Batch) (tensor.Matrix, error) {
	return c.runner.Logits(p, b, c.maskPositions(b.IDs), nil)
}

// maskPositions returns the indices of the masks.
func (c *LanguageModel) maskPositions(ids []int32) []int {
	var positions []int
	for i, id := range ids {
		if id == c.maskID {
			positions = append(positions, i)
		}
	}
	return positions
}

// prediction returns the k most likely words for a mask with the given offsets.
func (c *LanguageModel) prediction(offsets [2]int, logits []float32, k int) languagemodeling.Token {
	t := languagemodeling.Token{Start: offsets[0], End: offsets[1], Words: []string{}, Scores: []float64{}}
	p := numeric.Softmax(logits)
	for _, i := range numeric.TopN(p, k) {
		word, ok := c.runner.tok.Token(int32(i))
		if !ok { // the vocabulary is padded
			word = "[UNK]"
		}
		t.Words, t.Scores = append(t.Words, word), append(t.Scores, p[i])
	}
	return t
}
