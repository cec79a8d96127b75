package pipeline

import (
	"context"
	"errors"
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
type LanguageModel struct{ runner *runner }

var _ languagemodeling.Interface = (*LanguageModel)(nil)

// NewLanguageModel returns a pipeline for a masked language model. The tokenizer must have a mask token.
func NewLanguageModel(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*LanguageModel, error) {
	src, err := sourceOf("language modeling", m, tok)
	if err != nil {
		return nil, err
	}
	return newLanguageModel(src, o)
}

func newLanguageModel(src source, o Options) (*LanguageModel, error) {
	r, err := newRunner("language modeling", src, o, head.MaskedLM)
	if err != nil {
		return nil, err
	}
	if s, err := r.subject(context.Background()); err == nil {
		if _, err := s.mask(); err != nil {
			return nil, fmt.Errorf("pipeline: language modeling: %w", err)
		}
	}
	return &LanguageModel{r}, nil
}

// mask is the token that stands for one to be predicted.
func (s *subject) mask() (int32, error) {
	if id, ok := s.tok.Mask(); ok {
		return id, nil
	}
	if id, ok := s.tok.ID("[MASK]"); ok {
		return id, nil
	}
	return 0, errors.New("the tokenizer has no mask token")
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
	s, err := c.runner.subject(ctx)
	if err != nil {
		return nil, err
	}
	mask, err := s.mask()
	if err != nil {
		return nil, err
	}
	all := make([]languagemodeling.Response, len(texts))
	var masked []tokenizer.Encoding
	var indices []int // of the texts with masks
	for i, text := range texts {
		e, err := s.encode(text, languagemodeling.ErrInputSequenceTooLong)
		if err != nil {
			return nil, textError(err, i, len(texts))
		}
		all[i].Tokens = []languagemodeling.Token{}
		if len(maskPositions(e.IDs, mask)) > 0 {
			masked, indices = append(masked, e), append(indices, i)
		}
	}
	predictions := computation{
		func(p *op.Pass, b *model.Batch) (tensor.Matrix, error) {
			return s.Logits(p, b, maskPositions(b.IDs, mask), nil)
		},
		func(e tokenizer.Encoding) int { return len(maskPositions(e.IDs, mask)) },
	}
	err = c.runner.each(ctx, s, masked, predictions, func(m int, y tensor.Matrix) {
		response := &all[indices[m]]
		for row, position := range maskPositions(masked[m].IDs, mask) {
			response.Tokens = append(response.Tokens, s.prediction(masked[m].Offsets[position], y.Row(row), p.K))
		}
	})
	return all, err
}

// maskPositions returns the indices of the masks.
func maskPositions(ids []int32, mask int32) []int {
	var positions []int
	for i, id := range ids {
		if id == mask {
			positions = append(positions, i)
		}
	}
	return positions
}

// prediction returns the k most likely words for a mask with the given offsets.
func (s *subject) prediction(offsets [2]int, logits []float32, k int) languagemodeling.Token {
	t := languagemodeling.Token{Start: offsets[0], End: offsets[1], Words: []string{}, Scores: []float64{}}
	p := numeric.Softmax(logits)
	for _, i := range numeric.TopN(p, k) {
		word, ok := s.tok.Token(int32(i))
		if !ok { // the vocabulary is padded
			word = "[UNK]"
		}
		t.Words, t.Scores = append(t.Words, word), append(t.Scores, p[i])
	}
	return t
}
