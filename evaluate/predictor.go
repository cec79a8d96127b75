package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// predictor makes predictions for examples of a task and judges each.
type predictor interface {
	predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error)
}

const (
	// generateBatch is how many texts are generated at once, evalBatch how many answers are chosen or read.
	generateBatch = 32
	evalBatch     = 128
)

// newPredictor is how the task's answers are made: chosen, read off the head's outputs, or generated; and how many at once.
func newPredictor(s *infer.Session, task tasks.Task) (p predictor, batch int, err error) {
	switch t := task.(type) {
	case tasks.MultipleChoice:
		p, err = newLogLikelihoodScorer(s, task)
		return p, evalBatch, err
	case tasks.Postprocessor:
		p, err = newHeadPredictor(s, t)
		return p, evalBatch, err
	case tasks.Generator:
		p, err = newGenerator(s, task, t.Generation())
		return p, generateBatch, err
	}
	return nil, 0, errors.New("this task has no answers to score; it is judged by its loss alone")
}

// Score lets the model answer the examples of a split, at most limit of them (0: all), and judges the answers. The first
// figure is the task's score. Answers that the log (nil: none) has are not made again, the others are kept there as they
// come.
func Score(ctx context.Context, s *infer.Session, t NamedTask, split tasks.Split, limit int, log *PredictionLog) ([]tasks.Metric, []Prediction, error) {
	p, batch, err := newPredictor(s, t.Task)
	if err != nil {
		return nil, nil, err
	}
	examples, err := FirstExamples(t.Task, split, limit)
	if err != nil {
		return nil, nil, err
	}
	answers, err := log.kept(t.Name, examples)
	if err != nil {
		return nil, nil, err
	}
	for some := range slices.Chunk(examples[len(answers):], batch) {
		more, err := p.predict(ctx, some)
		if err == nil {
			err = log.add(t.Name, more)
		}
		if err != nil {
			return nil, nil, err
		}
		answers = append(answers, more...)
	}
	metrics, err := computeMetrics(t.Task, examples, answers)
	return metrics, answers, err
}

// FirstExamples lists up to limit examples of a split (0: all); none is an error.
func FirstExamples(task tasks.Task, split tasks.Split, limit int) ([]tasks.Example, error) {
	var all []tasks.Example
	for e, err := range task.Examples(split) {
		if err != nil {
			return nil, err
		}
		if all = append(all, e); len(all) == limit {
			break
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("data: %w for the %s split", tasks.ErrNoExamples, split)
	}
	return all, nil
}
