package finetune

import (
	"context"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/internal/op"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// reader reads answers off a model's outputs.
type reader struct {
	respondent
	task  tasks.Answerer
	texts *tasks.Texts
}

func newReader(r respondent, task tasks.Answerer) *reader {
	return &reader{respondent: r, task: task, texts: tasks.NewTexts(r.tok, r.m.Sizes().Positions)}
}

// all answers examples, as many at once as fit a slice.
func (r *reader) all(ctx context.Context, examples []tasks.Example) ([]tasks.Answer, error) {
	var out []tasks.Answer
	var rows []tasks.Row
	var counts []int // rows of the examples that wait
	tokens := 0
	for i, ex := range examples {
		more, _, err := r.task.Rows(r.texts, ex)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Where, err)
		}
		rows, counts = append(rows, more...), append(counts, len(more))
		for _, row := range more {
			tokens += len(row.IDs)
		}
		if tokens < evalSlices*defaultSlice(r.m) && i+1 < len(examples) {
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
			a, err := r.task.Answer(r.texts, ex, rows[from:from+n], outputs[from:from+n])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ex.Where, err)
			}
			out, from = append(out, a), from+n
		}
		rows, counts, tokens = nil, nil, 0
	}
	return out, nil
}

// outputs are those of the head for every row, in one pass.
func (r *reader) outputs(rows []tasks.Row) ([][][]float32, error) {
	t := Trainer{Model: r.m}
	tape := op.NewTape(false)
	tape.Adapter = r.adapter
	defer tape.Release()
	bare := make([]tasks.Row, len(rows))
	for i, row := range rows {
		bare[i] = tasks.Row{IDs: row.IDs, Types: row.Types, Second: row.Second}
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
		case model.SequenceClassification:
			n = 1
		case model.Embedding:
			n = 1
			if row.Second > 0 {
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
func (r *reader) answer(ctx context.Context, examples []tasks.Example) ([]Answer, error) {
	said, err := r.all(ctx, examples)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(said))
	for i, ex := range examples {
		answers[i] = Answer{Where: ex.Where, Prompt: ex.Prompt, Want: ex.Want, Output: said[i].String(), Prediction: &said[i]}
		if said[i].Vectors == nil {
			answers[i].judge(r.task, ex)
		}
	}
	return answers, nil
}
