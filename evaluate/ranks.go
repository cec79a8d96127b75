package evaluate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// Ranks are processes that share the examples of an evaluation.
type Ranks interface {
	// Rank is the number of this process, Size that of all of them.
	Rank() int
	Size() int
	// Gather tells every rank what each of them sends, or the error of the first rank that has one.
	Gather(send []byte, err error) ([][]byte, error)
}

// ScoreOn is Score on ranks: each lets the model answer some of the examples, and all return the metrics and every answer.
func ScoreOn(ctx context.Context, ranks Ranks, s *infer.Session, t NamedTask, split tasks.Split, limit int) ([]tasks.Metric, []Prediction, error) {
	examples, chunks, own, err := answerShare(ctx, ranks, s, t, split, limit)
	sent, e := json.Marshal(own)
	if err == nil {
		err = e
	}
	parts, err := ranks.Gather(sent, err)
	if err != nil {
		return nil, nil, err
	}
	all := make([][]Prediction, len(parts))
	for i, part := range parts {
		if err := json.Unmarshal(part, &all[i]); err != nil {
			return nil, nil, fmt.Errorf("rank %d: its answers cannot be read: %w", i, err)
		}
	}
	var answers []Prediction
	for i, chunk := range chunks {
		of := &all[i%len(all)]
		if len(*of) < len(chunk) {
			return nil, nil, fmt.Errorf("rank %d has too few answers", i%len(all))
		}
		answers, *of = append(answers, (*of)[:len(chunk)]...), (*of)[len(chunk):]
	}
	metrics, err := computeMetrics(t.Task, examples, answers)
	return metrics, answers, err
}

// answerShare lets the model answer this rank's share of the examples: every Size-th of the chunks that are answered at once.
func answerShare(ctx context.Context, ranks Ranks, s *infer.Session, t NamedTask, split tasks.Split, limit int) (examples []tasks.Example, chunks [][]tasks.Example, own []Prediction, err error) {
	p, batch, err := newPredictor(s, t.Task)
	if err == nil {
		examples, err = FirstExamples(t.Task, split, limit)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	chunks = slices.Collect(slices.Chunk(examples, batch))
	for i, chunk := range chunks {
		if i%ranks.Size() != ranks.Rank() {
			continue
		}
		answers, err := p.predict(ctx, chunk)
		if err != nil {
			return nil, nil, nil, err
		}
		own = append(own, answers...)
	}
	return examples, chunks, own, nil
}
