package finetune

import (
	"context"
	"errors"
	"slices"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// Prediction is what a model says of an example, and how the task judges it.
type Prediction struct {
	// Source is the example's file and line.
	Source    string  `json:"where,omitempty"`
	Prompt    string  `json:"prompt"`
	Output    string  `json:"output"`
	Reference string  `json:"want"`
	Score     float64 `json:"score"`
	// Verdict is "right", "wrong" or "partly", "" where answers are judged all together only; Extracted what the task's rule took from the output.
	Verdict   string `json:"verdict"`
	Extracted string `json:"extracted"`
	// Choices are what there was to choose from, where the task has it.
	Choices []ChoiceScore `json:"choices,omitempty"`
	// Prediction is what was read off the outputs of a head, with probabilities.
	Prediction *tasks.Prediction `json:"prediction,omitempty"`
}

// judge scores an answer and keeps what the task took from it.
func (a *Prediction) judge(task tasks.Task, ex tasks.Example) {
	a.Score = task.Score(ex, a.Output)
	switch a.Score {
	case 0:
		a.Verdict = "wrong"
	case 1:
		a.Verdict = "right"
	default:
		a.Verdict = "partly"
	}
	if e, ok := task.(tasks.AnswerParser); ok {
		a.Extracted = e.ParseAnswer(ex, a.Output)
	}
}

// judge is the task's figures for answers, or the mean of their scores.
func judge(task tasks.Task, examples []tasks.Example, answers []Prediction) ([]tasks.Metric, error) {
	sum := 0.0
	said := make([]tasks.Prediction, len(answers))
	for i, a := range answers {
		sum += a.Score
		if a.Prediction != nil {
			said[i] = *a.Prediction
		} else {
			said[i].Text, said[i].Choices = &a.Output, a.Choices
		}
	}
	if j, ok := task.(tasks.Metrics); ok {
		return j.ComputeMetrics(examples, said)
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

// predictor is a model that answers, with the named adapter ("" is the base alone).
type predictor struct {
	m       *model.Model
	tok     *tokenizer.Tokenizer
	adapter string
}

// answerer answers examples of a task and judges each answer.
type answerer interface {
	answer(ctx context.Context, examples []tasks.Example) ([]Prediction, error)
}

const (
	// sideBySide is how many answers are written at once, evalBatch how many are chosen or read.
	sideBySide = 32
	evalBatch  = 128
)

// answerer is how the task's answers are made: chosen, read off the head's outputs, or written; and how many at once.
func (r predictor) answerer(task tasks.Task) (a answerer, batch int, err error) {
	switch t := task.(type) {
	case tasks.MultipleChoice:
		a, err = newLogLikelihoodScorer(r, task)
		return a, evalBatch, err
	case tasks.Postprocessor:
		return newHeadPredictor(r, t), evalBatch, nil
	case tasks.Generator:
		a, err = newGenerator(r, task, t.Generation())
		return a, sideBySide, err
	}
	return nil, 0, errors.New("this task has no answers to score; it is judged by its loss alone")
}

// respond answers the examples of a split, at most limit of them (0: all), and judges the answers. The first figure is the
// task's score. Answers that the file (nil: none) has are not made again, the others are kept there as they come.
func (r predictor) respond(ctx context.Context, t NamedTask, split tasks.Split, limit int, file *PredictionLog) ([]tasks.Metric, []Prediction, error) {
	a, batch, err := r.answerer(t.Task)
	if err != nil {
		return nil, nil, err
	}
	examples, err := firstExamples(t.Task, split, limit)
	if err != nil {
		return nil, nil, err
	}
	answers, err := file.kept(t.Name, examples)
	if err != nil {
		return nil, nil, err
	}
	for some := range slices.Chunk(examples[len(answers):], batch) {
		more, err := a.answer(ctx, some)
		if err == nil {
			err = file.add(t.Name, more)
		}
		if err != nil {
			return nil, nil, err
		}
		answers = append(answers, more...)
	}
	metrics, err := judge(t.Task, examples, answers)
	return metrics, answers, err
}
