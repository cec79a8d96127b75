package finetune

import (
	"context"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/internal/op"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// answerSplit lets a model answer the examples of a split, at most limit of them (0: all), and judges the answers. The
// first figure is the task's score.
func answerSplit(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, adapter string, task tasks.Task, split tasks.Split, limit int) ([]tasks.Metric, []Answer, error) {
	_, reads := task.(tasks.Answerer)
	if _, generates := task.(tasks.Generator); !reads && !generates {
		return nil, nil, fmt.Errorf("this task has no answers to score; it is judged by its loss alone")
	}
	examples, err := firstExamples(task, split, limit)
	if err != nil {
		return nil, nil, err
	}
	var answers []Answer
	switch t := task.(type) {
	case tasks.Answerer:
		r := &reader{m: m, adapter: adapter, task: t, texts: tasks.NewTexts(tok, m.Sizes().Positions)}
		answers, err = r.answers(ctx, examples)
	case tasks.Generator:
		answers, err = generateAll(ctx, m, tok, adapter, task, t.Generation(), examples)
	}
	if err != nil {
		return nil, nil, err
	}
	metrics, err := judge(task, examples, answers)
	return metrics, answers, err
}

// judge is the task's figures for answers, or the mean of their scores.
func judge(task tasks.Task, examples []tasks.Example, answers []Answer) ([]tasks.Metric, error) {
	sum := 0.0
	said := make([]tasks.Answer, len(answers))
	for i, a := range answers {
		sum += a.Score
		if a.Prediction != nil {
			said[i] = *a.Prediction
		} else {
			said[i].Text = &a.Output
		}
	}
	if j, ok := task.(tasks.Judge); ok {
		return j.Judge(examples, said)
	}
	return []tasks.Metric{{Name: "score", Value: sum / float64(len(answers))}}, nil
}

// byName are figures by their names.
func byName(metrics []tasks.Metric) map[string]float64 {
	all := make(map[string]float64, len(metrics))
	for _, m := range metrics {
		all[m.Name] = m.Value
	}
	return all
}

// reader reads answers off a model's outputs.
type reader struct {
	m       *model.Model
	adapter string
	task    tasks.Answerer
	texts   *tasks.Texts
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
		if tokens < evalSlices*Default().SliceTokens && i+1 < len(examples) {
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

// answers are those to examples, each with its score.
func (r *reader) answers(ctx context.Context, examples []tasks.Example) ([]Answer, error) {
	said, err := r.all(ctx, examples)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(said))
	for i, ex := range examples {
		answers[i] = Answer{Where: ex.Where, Prompt: ex.Prompt, Want: ex.Want, Output: said[i].String(), Prediction: &said[i]}
		answers[i].Score = r.task.Score(ex, answers[i].Output)
	}
	return answers, nil
}
