package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/cybertron/pkg/tasks/zeroshotclassifier"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// ZeroShotClassifier implements Cybertron's zero-shot classification: a label fits a text to the degree that the text
// entails a sentence about the label (Yin et al. 2019, arXiv 1909.00161).
type ZeroShotClassifier struct {
	runner                    *runner
	entailment, contradiction int // indices of these labels
}

var _ zeroshotclassifier.Interface = (*ZeroShotClassifier)(nil)

// NewZeroShotClassifier returns a pipeline for a model with a head for sequence classification whose labels include
// entailment and contradiction.
func NewZeroShotClassifier(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*ZeroShotClassifier, error) {
	h, err := newRunner("zero-shot classification", m, tok, o, head.SequenceClassification)
	if err != nil {
		return nil, err
	}
	find := func(name string) int {
		return slices.IndexFunc(m.Head().Labels, func(l string) bool { return strings.EqualFold(l, name) })
	}
	c := &ZeroShotClassifier{h, find("entailment"), find("contradiction")}
	if c.entailment < 0 || c.contradiction < 0 {
		return nil, fmt.Errorf("pipeline: zero-shot classification: the model's labels are %q; want entailment and contradiction among them", m.Head().Labels)
	}
	return c, nil
}

// Classify returns the candidate labels, the most likely first, and their probabilities. These add up to 1; with
// MultiLabel, or a single label, each is independent of the others. {} in the hypothesis template stands for the label;
// an empty template means Cybertron's default.
func (c *ZeroShotClassifier) Classify(ctx context.Context, text string, p zeroshotclassifier.Parameters) (zeroshotclassifier.Response, error) {
	r, err := c.classify(ctx, text, p)
	if err != nil {
		return zeroshotclassifier.Response{}, fmt.Errorf("pipeline: zero-shot classification: %w", err)
	}
	return r, nil
}

func (c *ZeroShotClassifier) classify(ctx context.Context, text string, p zeroshotclassifier.Parameters) (r zeroshotclassifier.Response, err error) {
	if p.HypothesisTemplate == "" {
		p.HypothesisTemplate = zeroshotclassifier.DefaultHypothesisTemplate
	}
	switch {
	case len(p.CandidateLabels) == 0:
		return r, errors.New("there are no candidate labels")
	case !strings.Contains(p.HypothesisTemplate, "{}"):
		return r, fmt.Errorf("hypothesis template %q has no {} for the label", p.HypothesisTemplate)
	}
	pairs := make([]tokenizer.Encoding, len(p.CandidateLabels))
	for i, label := range p.CandidateLabels {
		e := c.runner.tok.EncodePair(text, strings.ReplaceAll(p.HypothesisTemplate, "{}", label), true)
		if pairs[i], err = c.runner.fits(e, zeroshotclassifier.ErrInputSequenceTooLong); err != nil {
			return r, err
		}
	}
	independent := p.MultiLabel || len(pairs) == 1
	scores := make([]float64, len(pairs))
	err = c.runner.each(ctx, pairs, c.runner.headOutputs(oneRow), func(i int, y tensor.Matrix) {
		logits := y.Row(0)
		scores[i] = float64(logits[c.entailment])
		if independent {
			scores[i] = numeric.Softmax([]float32{logits[c.entailment], logits[c.contradiction]})[0]
		}
	})
	if err != nil {
		return r, err
	}
	if !independent {
		scores = numeric.Softmax(scores)
	}
	for _, i := range numeric.TopN(scores, len(scores)) {
		r.Labels, r.Scores = append(r.Labels, p.CandidateLabels[i]), append(r.Scores, scores[i])
	}
	return r, nil
}
