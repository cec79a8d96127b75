package finetune

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
)

// batch scores questions side by side behind what they share, of which lanes has a copy for each (nil: nothing).
func (c *logLikelihoodScorer) batch(questions []*question, shared int, lanes *model.Cache) error {
	most := 0 // choices of a question that need more than the prompt's logits
	for _, q := range questions {
		if q.longest() > 1 {
			most = max(most, len(q.choices))
		}
	}
	if lanes == nil && most > 0 {
		lanes = c.m.NewCache(len(questions))
	}
	docs, all := make([][]int32, len(questions)), make([]int, len(questions))
	for i, q := range questions {
		docs[i], all[i] = q.prompt[shared:], i
	}
	err := c.pass(docs, all, lanes, false, func(i int, logits tensor.Matrix) {
		q, row := questions[i], logits.Row(0)
		norm := numeric.LogSumExp(row)
		for j, ch := range q.choices {
			q.logProb[j] = float64(row[ch.IDs[0]]) - norm
		}
	})
	for j := 0; err == nil && j < most; j++ {
		err = c.continued(questions, j, lanes)
	}
	for i := range questions {
		if lanes != nil {
			lanes.Crop(i, shared)
		}
	}
	return err
}

// continued adds the further tokens of every question's choice j, and takes them off the caches again.
func (c *logLikelihoodScorer) continued(questions []*question, j int, lanes *model.Cache) error {
	var docs [][]int32
	var at []int
	for i, q := range questions {
		if j < len(q.choices) && len(q.choices[j].IDs) > 1 {
			ids := q.choices[j].IDs
			docs, at = append(docs, ids[:len(ids)-1]), append(at, i)
		}
	}
	if len(docs) == 0 {
		return nil
	}
	err := c.pass(docs, at, lanes, true, func(d int, logits tensor.Matrix) {
		q := questions[at[d]]
		for k, id := range q.choices[j].IDs[1:] {
			row := logits.Row(k)
			q.logProb[j] += float64(row[id]) - numeric.LogSumExp(row)
		}
	})
	for _, i := range at {
		lanes.Crop(i, len(questions[i].prompt))
	}
	return err
}

// pass runs documents behind the named ones of a cache (nil: none) and gives out each one's logits: of every token, or of
// the last alone.
func (c *logLikelihoodScorer) pass(docs [][]int32, at []int, cache *model.Cache, every bool, each func(doc int, logits tensor.Matrix)) error {
	b := &model.Batch{CuSeqLens: []int{0}}
	var rows []int
	for _, d := range docs {
		for i := range d {
			if every || i == len(d)-1 {
				rows = append(rows, len(b.IDs)+i)
			}
		}
		b.IDs = append(b.IDs, d...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
	}
	if cache != nil {
		cache = cache.Select(at)
	}
	t := op.NewPass(false)
	t.Adapter = c.adapter
	defer t.Release()
	logits, err := c.m.Logits(t, b, rows, cache)
	if err != nil {
		return err
	}
	from := 0
	for d := range docs {
		n := 1
		if every {
			n = len(docs[d])
		}
		each(d, logits.Slice(from, 0, n, logits.Cols))
		from += n
	}
	return nil
}

// longest is how many tokens the longest choice has.
func (q *question) longest() int {
	n := 0
	for _, ch := range q.choices {
		n = max(n, len(ch.IDs))
	}
	return n
}

// answer is the likeliest choice, the first of several alike.
func (q *question) answer(task tasks.Task) (Prediction, error) {
	a := Prediction{Source: q.ex.Source, Prompt: q.ex.Prompt, Reference: q.ex.Reference}
	best := 0
	for i, ch := range q.choices {
		if !finite(q.logProb[i]) {
			return a, fmt.Errorf("%s: the log-probability of %q is %g: the model's output is not finite", q.ex.Source, ch.Text, q.logProb[i])
		}
		a.Choices = append(a.Choices, ChoiceScore{Text: ch.Text, LogProb: q.logProb[i], Tokens: len(ch.IDs)})
		if q.logProb[i] > q.logProb[best] {
			best = i
		}
	}
	a.Output = q.choices[best].Text
	a.judge(task, q.ex)
	return a, nil
}
