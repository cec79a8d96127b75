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

// ZeroShotClassifier is Cybertron's zero-shot classification over a host: a label fits a text as far as the text entails
// a sentence with the label (Yin et al. 2019, arXiv 1909.00161).
type ZeroShotClassifier struct {
	runner                    *runner
	entailment, contradiction int
}

var _ zeroshotclassifier.Interface = (*ZeroShotClassifier)(nil)

// NewZeroShotClassifier makes one of a model with a head for sequence classification that has the labels entailment and contradiction.
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

// Classify returns the candidate labels, the likeliest first, and their probabilities: together 1, or with MultiLabel (or
// a single label) each on its own. The template has {} where the label goes; "" is Cybertron's default.
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
		return r, errors.New("no candidate labels")
	case !strings.Contains(p.HypothesisTemplate, "{}"):
		return r, fmt.Errorf("hypothesis template %q has no {} for the label", p.HypothesisTemplate)
	}
	docs := make([]tokenizer.Encoding, len(p.CandidateLabels))
	for i, label := range p.CandidateLabels {
		e := c.runner.tok.EncodePair(text, strings.ReplaceAll(p.HypothesisTemplate, "{}", label), true)
		if docs[i], err = c.runner.fits(e, zeroshotclassifier.ErrInputSequenceTooLong); err != nil {
			return r, err
		}
	}
	each := p.MultiLabel || len(docs) == 1
	scores := make([]float64, len(docs))
	err = c.runner.each(ctx, docs, c.runner.head(perText), func(d int, y tensor.Matrix) {
		logits := y.Row(0)
		scores[d] = float64(logits[c.entailment])
		if each {
			scores[d] = numeric.Softmax([]float32{logits[c.entailment], logits[c.contradiction]})[0]
		}
	})
	if err != nil {
		return r, err
	}
	if !each {
		scores = numeric.Softmax(scores)
	}
	for _, i := range numeric.TopN(scores, len(scores)) {
		r.Labels, r.Scores = append(r.Labels, p.CandidateLabels[i]), append(r.Scores, scores[i])
	}
	return r, nil
}
