package evaluate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// predictor answers examples of a task and grades each answer.
type predictor interface {
	predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error)
}

// GenerateBatch is how many texts are generated at once.
const GenerateBatch = 32

// evalBatch is how many examples are answered at once in other ways.
const evalBatch = 128

// newPredictor returns the predictor for a task and how many examples to give it at once. Answers are chosen by
// likelihood, computed from the head's outputs, or generated.
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
		return p, GenerateBatch, err
	}
	return nil, 0, errors.New("this task has no answers to score; it is evaluated by its loss alone")
}

// Score lets the model answer the examples of a split, at most limit of them (0 means all), and returns the task's
// metrics and the answers. The first metric is the task's score. log, if not nil, keeps the answers; those that it has
// already are not computed again. Of the session's ranks, which share the examples, rank 0 alone has a log.
func Score(ctx context.Context, s *infer.Session, t NamedTask, split tasks.Split, limit int, log *PredictionLog) ([]tasks.Metric, []Prediction, error) {
	p, batch, err := newPredictor(s, t.Task)
	if err != nil {
		return nil, nil, err
	}
	examples, err := FirstExamples(t.Task, split, limit)
	if err == nil {
		err = sameExamples(s.Ranks, examples)
	}
	if err != nil {
		return nil, nil, err
	}
	answers, err := log.kept(t.Name, examples)
	if answers, err = infer.FromFirst(s.Ranks, answers, err); err != nil {
		return nil, nil, err
	}
	for i := range answers { // by the rule of today
		if p := answers[i].Prediction; p == nil || p.Vectors == nil {
			answers[i].grade(t.Task, examples[i])
		}
	}
	chunks := slices.Collect(slices.Chunk(examples[len(answers):], batch))
	answer := func(i int) ([]Prediction, error) { return p.predict(ctx, chunks[i]) }
	err = infer.Share(s.Ranks, len(chunks), answer, func(_ int, more []Prediction) error {
		answers = append(answers, more...)
		return log.add(t.Name, more)
	})
	if err != nil {
		return nil, nil, err
	}
	metrics, err := computeMetrics(t.Task, examples, answers)
	return metrics, answers, err
}

// sameExamples returns an error unless all ranks have the same examples.
func sameExamples(ranks infer.Ranks, examples []tasks.Example) error {
	if ranks == nil {
		return nil
	}
	h := sha256.New()
	for _, e := range examples {
		input, err := json.Marshal([]any{e.Prompt, e.Reference, e.Choices, e.Input, e.Chat, e.Segments})
		if err != nil {
			return err
		}
		_, _ = h.Write(input)
	}
	return infer.SameOn(ranks, [][2]string{{"examples", hex.EncodeToString(h.Sum(nil)[:6])}})
}

// FirstExamples returns up to limit examples of a split (0 means all). A split without examples is an error.
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
