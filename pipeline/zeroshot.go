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
type ZeroShotClassifier struct{ runner *runner }

var _ zeroshotclassifier.Interface = (*ZeroShotClassifier)(nil)

// NewZeroShotClassifier returns a pipeline for a model with a head for natural language inference: sequence classification
// with a label whose name begins with entail, and contradiction or not_entailment.
func NewZeroShotClassifier(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*ZeroShotClassifier, error) {
	src, err := sourceOf("zero-shot classification", m, tok)
	if err != nil {
		return nil, err
	}
	return newZeroShotClassifier(src, o)
}

func newZeroShotClassifier(src source, o Options) (*ZeroShotClassifier, error) {
	r, err := newRunner("zero-shot classification", src, o, head.SequenceClassification)
	if err != nil {
		return nil, err
	}
	if s, err := r.subject(context.Background()); err == nil && (o.Adapter != "" || !r.several()) {
		if _, err := inferenceLabels(s.Head().Labels); err != nil {
			return nil, fmt.Errorf("pipeline: zero-shot classification: %w", err)
		}
	}
	return &ZeroShotClassifier{r}, nil
}

// inference has the ids of the labels of natural language inference.
type inference struct{ entailment, contradiction int }

// inferenceLabels finds the labels, as transformers does: entailment is the first label that begins so. The other one is
// contradiction or, of two labels, the one that is not entailment.
func inferenceLabels(labels []string) (inference, error) {
	begins := func(prefix string) int {
		return slices.IndexFunc(labels, func(l string) bool { return strings.HasPrefix(strings.ToLower(l), prefix) })
	}
	n := inference{begins("entail"), begins("contradict")}
	if n.contradiction < 0 && n.entailment >= 0 && len(labels) == 2 {
		n.contradiction = 1 - n.entailment
	}
	if n.entailment < 0 || n.contradiction < 0 {
		return n, fmt.Errorf("the model's labels are %q; want entailment and contradiction among them, or entailment and not_entailment", labels)
	}
	return n, nil
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
	s, err := c.runner.subject(ctx)
	if err != nil {
		return r, err
	}
	ids, err := inferenceLabels(s.Head().Labels)
	if err != nil {
		return r, err
	}
	pairs := make([]tokenizer.Encoding, len(p.CandidateLabels))
	for i, label := range p.CandidateLabels {
		e := s.tok.EncodePair(text, strings.ReplaceAll(p.HypothesisTemplate, "{}", label), true)
		if pairs[i], err = s.fits(e, zeroshotclassifier.ErrInputSequenceTooLong); err != nil {
			return r, err
		}
	}
	independent := p.MultiLabel || len(pairs) == 1
	scores := make([]float64, len(pairs))
	err = c.runner.each(ctx, s, pairs, s.headOutputs(oneRow), func(i int, y tensor.Matrix) {
		logits := y.Row(0)
		scores[i] = float64(logits[ids.entailment])
		if independent {
			scores[i] = numeric.Softmax([]float32{logits[ids.entailment], logits[ids.contradiction]})[0]
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
