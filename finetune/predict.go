package finetune

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// Predict lets the model with the named adapter ("" is the base alone) answer the examples of a split, at most limit of
// them (0: all): by choosing, off the outputs of its head, or by generating up to the task's stop strings. The score is the
// task's, or the mean of the answers'.
func Predict(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, adapter string, task tasks.Task, split tasks.Split, limit int) (float64, []Prediction, error) {
	metrics, answers, err := predictor{m, tok, adapter}.respond(ctx, NamedTask{Task: task}, split, limit, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("predict: %w", err)
	}
	return metrics[0].Value, answers, nil
}

// firstExamples lists up to limit examples of a split (0: all); none is an error.
func firstExamples(task tasks.Task, split tasks.Split, limit int) ([]tasks.Example, error) {
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
