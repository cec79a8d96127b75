package pipeline

import (
	"context"
	"fmt"

	"github.com/nlpodyssey/cybertron/pkg/tasks/textclassification"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// TextClassifier implements Cybertron's text classification.
type TextClassifier struct{ runner *runner }

var _ textclassification.Interface = (*TextClassifier)(nil)

// NewTextClassifier returns a pipeline for a model with a head for sequence classification.
func NewTextClassifier(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*TextClassifier, error) {
	src, err := sourceOf("text classification", m, tok)
	if err != nil {
		return nil, err
	}
	return newTextClassifier(src, o)
}

func newTextClassifier(src source, o Options) (*TextClassifier, error) {
	r, err := newRunner("text classification", src, o, head.SequenceClassification)
	if err != nil {
		return nil, err
	}
	return &TextClassifier{r}, nil
}

// Classify returns the labels, the most likely first, and their scores. These are probabilities that add up to 1,
// independent probabilities for a multi-label head, or the values of a head for regression. A text that is too long is
// textclassification.ErrInputSequenceTooLong.
func (c *TextClassifier) Classify(ctx context.Context, text string) (textclassification.Response, error) {
	all, err := c.ClassifyAll(ctx, []string{text})
	if err != nil {
		return textclassification.Response{}, err
	}
	return all[0], nil
}

// ClassifyAll is Classify for several texts at once.
func (c *TextClassifier) ClassifyAll(ctx context.Context, texts []string) ([]textclassification.Response, error) {
	all, err := c.classify(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("pipeline: text classification: %w", err)
	}
	return all, nil
}

func (c *TextClassifier) classify(ctx context.Context, texts []string) ([]textclassification.Response, error) {
	s, err := c.runner.subject(ctx)
	if err != nil {
		return nil, err
	}
	encodings, err := s.encodeAll(texts, textclassification.ErrInputSequenceTooLong)
	if err != nil {
		return nil, err
	}
	all := make([]textclassification.Response, len(texts))
	err = c.runner.each(ctx, s, encodings, s.headOutputs(oneRow), func(i int, y tensor.Matrix) { all[i] = classes(s.Head().Config, y.Row(0)) })
	return all, err
}

// classes sorts the labels of a head by their scores.
func classes(h head.Config, logits []float32) textclassification.Response {
	var scores []float64
	switch {
	case h.ProblemType == head.MultiLabel:
		for _, v := range logits {
			scores = append(scores, numeric.Sigmoid(v))
		}
	case h.ProblemType == head.Regression || h.ProblemType == "" && len(logits) == 1:
		for _, v := range logits {
			scores = append(scores, float64(v))
		}
	default:
		scores = numeric.Softmax(logits)
	}
	var r textclassification.Response
	for _, i := range numeric.TopN(scores, len(scores)) {
		r.Labels, r.Scores = append(r.Labels, h.Labels[i]), append(r.Scores, scores[i])
	}
	return r
}
