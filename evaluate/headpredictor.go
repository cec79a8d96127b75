package evaluate

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// headPredictor reads answers off the outputs of a model's head.
type headPredictor struct {
	session *infer.Session
	task    tasks.Postprocessor
	texts   *tasks.PairEncoder
}

func newHeadPredictor(s *infer.Session, task tasks.Postprocessor) (*headPredictor, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	return &headPredictor{session: s, task: task, texts: tasks.NewPairEncoder(tok, s.Model.Config().MaxPositionEmbeddings)}, nil
}

// predictAll answers examples, as many at once as fit a pass.
func (h *headPredictor) predictAll(ctx context.Context, examples []tasks.Example) ([]tasks.Prediction, error) {
	most := infer.EvalTokens(infer.DefaultMicroBatchTokens(h.session.Model))
	var out []tasks.Prediction
	var rows []tasks.Features
	var counts []int // rows of the examples that wait
	tokens := 0
	for i, ex := range examples {
		more, _, err := h.task.Encode(h.texts, ex)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Source, err)
		}
		rows, counts = append(rows, more...), append(counts, len(more))
		for _, row := range more {
			tokens += len(row.IDs)
		}
		if tokens < most && i+1 < len(examples) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		outputs, err := h.session.Outputs(rows)
		if err != nil {
			return nil, err
		}
		from := 0
		for k, n := range counts {
			ex := examples[i+1-len(counts)+k]
			a, err := h.task.Postprocess(h.texts, ex, rows[from:from+n], outputs[from:from+n])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ex.Source, err)
			}
			out, from = append(out, a), from+n
		}
		rows, counts, tokens = nil, nil, 0
	}
	return out, nil
}

// predict implements predictor; vectors are judged all together.
func (h *headPredictor) predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	said, err := h.predictAll(ctx, examples)
	if err != nil {
		return nil, err
	}
	answers := make([]Prediction, len(said))
	for i, ex := range examples {
		answers[i] = Prediction{Source: ex.Source, Prompt: ex.Prompt, Reference: ex.Reference, Output: said[i].String(), Prediction: &said[i]}
		if said[i].Vectors == nil {
			answers[i].grade(h.task, ex)
		}
	}
	return answers, nil
}
