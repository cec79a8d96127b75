package finetune

import (
	"context"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// headPredictor reads answers off a model's outputs.
type headPredictor struct {
	predictor
	task  tasks.Postprocessor
	texts *tasks.PairEncoder
}

func newHeadPredictor(r predictor, task tasks.Postprocessor) *headPredictor {
	return &headPredictor{predictor: r, task: task, texts: tasks.NewPairEncoder(r.tok, r.m.Config().MaxPositionEmbeddings)}
}

// all answers examples, as many at once as fit a slice.
func (r *headPredictor) all(ctx context.Context, examples []tasks.Example) ([]tasks.Prediction, error) {
	var out []tasks.Prediction
	var rows []tasks.Features
	var counts []int // rows of the examples that wait
	tokens := 0
	for i, ex := range examples {
		more, _, err := r.task.Encode(r.texts, ex)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Source, err)
		}
		rows, counts = append(rows, more...), append(counts, len(more))
		for _, row := range more {
			tokens += len(row.IDs)
		}
		if tokens < evalSlices*defaultMicroBatch(r.m) && i+1 < len(examples) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		outputs, err := r.outputs(rows)
		if err != nil {
			return nil, err
		}
		from := 0
		for k, n := range counts {
			ex := examples[i+1-len(counts)+k]
			a, err := r.task.Postprocess(r.texts, ex, rows[from:from+n], outputs[from:from+n])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ex.Source, err)
			}
			out, from = append(out, a), from+n
		}
		rows, counts, tokens = nil, nil, 0
	}
	return out, nil
}

// outputs are those of the head for every row, in one pass.
func (r *headPredictor) outputs(rows []tasks.Features) ([][][]float32, error) {
	t := Trainer{Model: r.m}
	tape := &op.Pass{}
	tape.Adapter = r.adapter
	defer tape.Release()
	bare := make([]tasks.Features, len(rows))
	for i, row := range rows {
		bare[i] = tasks.Features{IDs: row.IDs, TokenTypeIDs: row.TokenTypeIDs, PairStart: row.PairStart}
	}
	y, err := r.m.Logits(tape, t.batch(bare), nil, nil)
	if err != nil {
		return nil, err
	}
	out := make([][][]float32, len(rows))
	at := 0
	for i, row := range rows {
		n := len(row.IDs)
		switch r.m.Head().Kind {
		case head.SequenceClassification:
			n = 1
		case head.FeatureExtraction:
			n = 1
			if row.PairStart > 0 {
				n = 2
			}
		}
		for range n {
			out[i] = append(out[i], slices.Clone(y.Row(at)))
			at++
		}
	}
	return out, nil
}

// answer reads answers and judges each; vectors are judged all together.
func (r *headPredictor) answer(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	said, err := r.all(ctx, examples)
	if err != nil {
		return nil, err
	}
	answers := make([]Prediction, len(said))
	for i, ex := range examples {
		answers[i] = Prediction{Source: ex.Source, Prompt: ex.Prompt, Reference: ex.Reference, Output: said[i].String(), Prediction: &said[i]}
		if said[i].Vectors == nil {
			answers[i].judge(r.task, ex)
		}
	}
	return answers, nil
}
