package pipeline

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/nlpodyssey/cybertron/pkg/tasks/textgeneration"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tokenizer"
)

// TextGenerator implements Cybertron's text generation.
type TextGenerator struct {
	runner *runner
	config model.GenerationConfig
}

var _ textgeneration.Interface = (*TextGenerator)(nil)

// NewTextGenerator returns a pipeline for a sequence-to-sequence model. Texts are generated as the model's
// generation_config.json says (beams, penalties, lengths).
func NewTextGenerator(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TextGenerator, error) {
	h, err := newRunner("text generation", m, tok, o, head.Seq2SeqLM)
	if err != nil {
		return nil, err
	}
	s, err := m.GenerationConfig()
	if err != nil {
		return nil, fmt.Errorf("pipeline: text generation: %w", err)
	}
	if eos, ok := tok.EOS(); ok && len(s.EOSTokenIDs) == 0 {
		s.EOSTokenIDs = []int32{eos}
	}
	return &TextGenerator{h, s}, nil
}

// Generate returns the best text and its score: its log-probability divided by its length to the power of the length
// penalty. With Sample the text is sampled; otherwise it is the result of beam search, or of greedy search.
func (c *TextGenerator) Generate(ctx context.Context, text string, o *textgeneration.Options) (textgeneration.Response, error) {
	all, err := c.GenerateAll(ctx, []string{text}, o)
	if err != nil {
		return textgeneration.Response{}, err
	}
	return all[0], nil
}

// GenerateAll is Generate for several texts at once.
func (c *TextGenerator) GenerateAll(ctx context.Context, texts []string, o *textgeneration.Options) ([]textgeneration.Response, error) {
	all, err := c.generate(ctx, texts, o)
	if err != nil {
		return nil, fmt.Errorf("pipeline: text generation: %w", err)
	}
	return all, nil
}

func (c *TextGenerator) generate(ctx context.Context, texts []string, o *textgeneration.Options) ([]textgeneration.Response, error) {
	s, err := c.generationConfig(ctx, o)
	if err != nil {
		return nil, err
	}
	encodings, err := c.runner.encodeAll(texts, textgeneration.ErrInputSequenceTooLong)
	if err != nil {
		return nil, err
	}
	prompts := make([][]int32, len(encodings))
	for i, e := range encodings {
		prompts[i] = e.IDs
	}
	out, err := c.runner.Generate(ctx, prompts, s, nil)
	if err != nil {
		return nil, err
	}
	all := make([]textgeneration.Response, len(texts))
	for i, ids := range out {
		score, err := c.score(s, prompts[i], ids)
		if err != nil {
			return nil, err
		}
		all[i] = textgeneration.Response{Texts: []string{c.runner.tok.Target().Decode(ids, true)}, Scores: []float64{score}}
	}
	return all, nil
}

// generationConfig returns the model's settings with a call's options.
func (c *TextGenerator) generationConfig(ctx context.Context, o *textgeneration.Options) (model.GenerationConfig, error) {
	s := c.config
	s.Temperature, s.TopK, s.TopP = 0, 0, 0
	var err error
	if s.Adapter, err = c.runner.adapter(ctx); err != nil || o == nil || !o.Sample.Valid || !o.Sample.Value {
		return s, err
	}
	s.NumBeams, s.Temperature, s.Seed = 1, 1, rand.Uint64()
	if o.Temperature.Valid {
		if s.Temperature = o.Temperature.Value; s.Temperature <= 0 {
			return s, fmt.Errorf("temperature is %g; want more than 0 where texts are sampled", s.Temperature)
		}
	}
	if o.TopK.Valid {
		s.TopK = o.TopK.Value
	}
	if o.TopP.Valid {
		s.TopP = o.TopP.Value
	}
	return s, nil
}

// score returns the log-probability of a text, including its end token if it ended by itself, divided by its length to
// the power of the length penalty.
func (c *TextGenerator) score(s model.GenerationConfig, source, ids []int32) (float64, error) {
	target := slices.Clone(ids)
	length := len(ids) + 1 // with the decoder's first token
	if length < c.maxLength(s) && len(s.EOSTokenIDs) > 0 {
		target = append(target, s.EOSTokenIDs[0])
	}
	if len(target) == 0 {
		return 0, nil
	}
	sum := 0.0
	err := op.Inference(s.Adapter, func(p *op.Pass) error {
		y, err := c.runner.Logits(p, &model.Batch{IDs: source, Labels: target}, nil, nil)
		if err != nil {
			return err
		}
		for i, id := range target {
			row := y.Row(i)
			if pad, ok := c.runner.tok.Pad(); ok && int(pad) < len(row) && pad != id {
				row[pad] = float32(math.Inf(-1)) // Cybertron never generates it
			}
			sum += math.Log(numeric.Softmax(row)[id])
		}
		return nil
	})
	return sum / math.Pow(float64(length), s.LengthPenalty), err
}

// maxLength returns the maximum number of tokens of a text, including the decoder's first one.
func (c *TextGenerator) maxLength(s model.GenerationConfig) int {
	n := c.runner.Config().MaxPositionEmbeddings
	switch {
	case s.MaxNewTokens > 0:
		return min(n, 1+s.MaxNewTokens)
	case s.MaxLength > 0:
		return min(n, s.MaxLength)
	}
	return n
}
