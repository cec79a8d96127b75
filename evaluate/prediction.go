package evaluate

import (
	"math"

	"github.com/spagotune/spagotune/tasks"
)

// Prediction is a model's answer to an example, and its score.
type Prediction struct {
	// Source is the file and line of the example.
	Source    string  `json:"where,omitempty"`
	Prompt    string  `json:"prompt"`
	Output    string  `json:"output"`
	Reference string  `json:"want"`
	Score     float64 `json:"score"`
	// Verdict is "right", "wrong" or "partly", or "" if answers are only scored all together. Extracted is the part of
	// Output that the task compares.
	Verdict   string `json:"verdict"`
	Extracted string `json:"extracted"`
	// Truncated says that the example was too long for the model, and that the answer is about its beginning.
	Truncated bool `json:"truncated,omitempty"`
	// Choices are the choices of a multiple-choice task, with their log-probabilities.
	Choices []tasks.ChoiceScore `json:"choices,omitempty"`
	// Prediction is what was computed from the outputs of a head, with probabilities.
	Prediction *tasks.Prediction `json:"prediction,omitempty"`
}

// grade sets the score, the verdict and what the task extracts from the output.
func (a *Prediction) grade(task tasks.Task, ex tasks.Example) {
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

// computeMetrics returns the task's metrics for answers, or else the mean of their scores.
func computeMetrics(task tasks.Task, examples []tasks.Example, answers []Prediction) ([]tasks.Metric, error) {
	sum := 0.0
	predictions := make([]tasks.Prediction, len(answers))
	for i, a := range answers {
		sum += a.Score
		if a.Prediction != nil {
			predictions[i] = *a.Prediction
		} else {
			predictions[i].Text, predictions[i].Choices = &a.Output, a.Choices
		}
	}
	if m, ok := task.(tasks.Metrics); ok {
		return m.ComputeMetrics(examples, predictions)
	}
	return []tasks.Metric{{Name: "score", Value: sum / float64(len(answers))}}, nil
}

// ByName returns metrics as a map from names to values, without those that are not defined.
func ByName(metrics []tasks.Metric) map[string]float64 {
	all := make(map[string]float64, len(metrics))
	for _, m := range metrics {
		if !math.IsNaN(m.Value) {
			all[m.Name] = m.Value
		}
	}
	return all
}
