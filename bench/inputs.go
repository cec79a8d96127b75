package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// mostTokens is the most that all rows of a measurement have, which are drawn before it: 4 bytes each, and as many as 64 for a row.
const mostTokens = 1 << 28

// countRows returns the number of rows of passes and one more.
func countRows(what string, passes, batch, tokens int) (int, error) {
	if most := mostTokens / max(tokens, 64); batch > most || passes >= most/batch {
		return 0, fmt.Errorf("%d + 1 %s of %d rows; want up to %d rows in all", passes, what, batch, most)
	}
	return batch * (passes + 1), nil
}

// randomRows returns n rows of random tokens, with ids from 3 to 39,999 (or the end of the vocabulary). A language
// model is scored on all tokens, a classifier on random labels.
func randomRows(m *model.Model, n, tokens int) []tasks.Features {
	end := min(40000, m.Config().VocabSize)
	r := rand.New(rand.NewPCG(0, 0))
	draw := func(n, below int) []int32 {
		v := make([]int32, n)
		for i := range v {
			v[i] = int32(r.IntN(below))
		}
		return v
	}
	h := m.Head()
	rows := make([]tasks.Features, n)
	for i := range rows {
		ids := draw(tokens, max(1, end-3))
		for j := range ids {
			ids[j] += int32(min(3, end-1))
		}
		rows[i] = tasks.Features{IDs: ids, Labels: ids, Source: "random"}
		switch h.Kind {
		case head.SequenceClassification:
			rows[i].Labels = draw(1, len(h.Labels))
			h.EndDocument(ids)
		case head.TokenClassification:
			rows[i].Labels = draw(tokens, len(h.Labels))
		case head.MultipleChoice:
			rows[i].Labels, rows[i].DocumentStarts = draw(1, 2), []int{tokens / 2}
		case head.QuestionAnswering:
			at := draw(1, tokens)
			rows[i].Labels = []int32{at[0], at[0]}
		case head.FeatureExtraction:
			rows[i].PairStart = max(1, tokens/2)
		}
	}
	return rows
}

// trainRows returns the rows of all steps: the first ones of the task's training data, or random ones.
func trainRows(m *model.Model, tok *tokenizer.Tokenizer, task tasks.Task, o Options) ([]tasks.Features, error) {
	need, err := countRows("steps", o.Steps, o.Batch, o.Dense)
	if err != nil {
		return nil, err
	}
	var rows []tasks.Features
	if o.Dense > 0 {
		return randomRows(m, need, o.Dense), nil
	}
	template, err := infer.ChatTemplate(tok)
	if err != nil {
		return nil, err
	}
	for row, err := range tasks.Rows(tok, template, task, tasks.Train, m.Config().MaxPositionEmbeddings) {
		if err != nil {
			return nil, err
		}
		if rows = append(rows, row); len(rows) == need {
			return rows, nil
		}
	}
	return nil, fmt.Errorf("the data have %d rows; %d + 1 steps of %d rows need %d", len(rows), o.Steps, o.Batch, need)
}

// LoadModel loads a model to measure. A model without a head gets one with two classes.
func LoadModel(ctx context.Context, name string) (*model.Model, error) {
	dir, err := infer.ModelDir(name)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(ctx, dir, model.Options{})
	if err == nil && m.Head().Kind == head.FeatureExtraction {
		_ = m.Close()
		m, err = model.Load(ctx, dir, model.Options{Head: twoClasses})
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// RandomModel makes a model of the shape in a config.json, with random weights stored in bfloat16, to measure a shape without
// its weights.
func RandomModel(ctx context.Context, path string) (*model.Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	config, err := input.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	m, err := model.New(config, model.Options{Seed: 42, BF16: true})
	if err == nil && m.Head().Kind == head.FeatureExtraction {
		m, err = model.New(config, model.Options{Seed: 42, BF16: true, Head: twoClasses})
	}
	if err != nil {
		return nil, fmt.Errorf("bench: %s: %w", path, err)
	}
	return m, nil
}

// twoClasses is the head of a model without one.
var twoClasses = head.Config{Kind: head.SequenceClassification, Labels: []string{"a", "b"}}
