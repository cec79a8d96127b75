package evaluate

import (
	"github.com/spagotune/spagotune/tasks"
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
	Choices []tasks.ChoiceScore `json:"choices,omitempty"`
	// Prediction is what was read off the outputs of a head, with probabilities.
	Prediction *tasks.Prediction `json:"prediction,omitempty"`
}

// grade scores an answer and keeps what the task took from it.
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

// computeMetrics is the task's figures for answers, or the mean of their scores.
func computeMetrics(task tasks.Task, examples []tasks.Example, answers []Prediction) ([]tasks.Metric, error) {
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

// ByName are figures by their names.
func ByName(metrics []tasks.Metric) map[string]float64 {
	all := make(map[string]float64, len(metrics))
	for _, m := range metrics {
		all[m.Name] = m.Value
	}
	return all
}
