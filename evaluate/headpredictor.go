package evaluate

import (
	"context"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// headPredictor computes predictions from the outputs of a model's head.
type headPredictor struct {
	session *infer.Session
	task    tasks.Postprocessor
	pairs   *tasks.PairEncoder
}

func newHeadPredictor(s *infer.Session, task tasks.Postprocessor) (*headPredictor, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	return &headPredictor{session: s, task: task, pairs: tasks.NewPairEncoder(tok, s.Model.MaxLength())}, nil
}

// predictAll predicts for examples, with as many in one pass as have about EvalTokens tokens together.
func (h *headPredictor) predictAll(ctx context.Context, examples []tasks.Example) ([]tasks.Prediction, error) {
	maxTokens := infer.EvalTokens(infer.DefaultMicroBatchTokens(h.session.Model))
	var out []tasks.Prediction
	var rows []tasks.Features // of the examples of the next pass
	var counts []int          // rows of each of these examples
	truncated := make([]bool, len(examples))
	tokens := 0
	for i, ex := range examples {
		more, cut, err := h.task.Encode(h.pairs, ex)
		if ex.Input.Words != nil && errors.Is(err, tasks.ErrNotScored) {
			err = nil // words without a token have tags, too
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Source, err)
		}
		rows, counts, truncated[i] = append(rows, more...), append(counts, len(more)), cut
		for _, row := range more {
			tokens += len(row.IDs)
		}
		if tokens < maxTokens && i+1 < len(examples) {
			continue
		}
		predictions, err := h.pass(ctx, examples[i+1-len(counts):i+1], rows, counts)
		if err != nil {
			return nil, err
		}
		out = append(out, predictions...)
		rows, counts, tokens = nil, nil, 0
	}
	for i := range out {
		out[i].Truncated = truncated[i]
	}
	return out, nil
}

// pass predicts for examples that have counts[i] of the rows each.
func (h *headPredictor) pass(ctx context.Context, examples []tasks.Example, rows []tasks.Features, counts []int) ([]tasks.Prediction, error) {
	var outputs [][][]float32
	if len(rows) > 0 {
		var err error
		if outputs, err = h.session.Outputs(ctx, rows); err != nil {
			return nil, err
		}
	}
	out := make([]tasks.Prediction, len(examples))
	from := 0
	for i, ex := range examples {
		to := from + counts[i]
		p, err := h.task.Postprocess(h.pairs, ex, rows[from:to], outputs[from:to])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Source, err)
		}
		out[i], from = p, to
	}
	return out, nil
}

// predict implements predictor. Vectors get no score of their own: they are scored all together.
func (h *headPredictor) predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	predictions, err := h.predictAll(ctx, examples)
	if err != nil {
		return nil, err
	}
	answers := make([]Prediction, len(predictions))
	for i, ex := range examples {
		p := &predictions[i]
		answers[i] = Prediction{Source: ex.Source, Prompt: ex.Prompt, Reference: ex.Reference, Output: p.String(), Truncated: p.Truncated, Prediction: p}
		if p.Vectors == nil {
			answers[i].grade(h.task, ex)
		}
	}
	return answers, nil
}
