package tasks

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// Levels are figures that need no learning: a figure near them is none. A level that is not known is nil.
type Levels struct {
	// Chance is what guessing is expected to get, Majority what the most frequent answer gets.
	Chance   *float64 `json:"chance,omitempty"`
	Majority *float64 `json:"majority,omitempty"`
}

// LevelsOf returns the levels of a task's score on examples or, if metric is not empty, those of one of its metrics. Chance
// is known for the score, and for an accuracy, alone.
func LevelsOf(task Task, examples []Example, metric string) (Levels, error) {
	g, ok := task.(Guesser)
	if !ok {
		return Levels{}, nil
	}
	if _, err := HeadOf(task, head.Config{}); err != nil {
		return Levels{}, err
	}
	guesses, levels := g.Guesses(examples), Levels{}
	if metric == "" || metric == "accuracy" || metric == "acc" {
		levels.Chance = guesses.Chance
	}
	if len(guesses.Majority) == 0 {
		return levels, nil
	}
	score, err := figureOf(task, examples, guesses.Majority, metric)
	if !math.IsNaN(score) {
		levels.Majority = &score
	}
	return levels, err
}

// figureOf computes the score of predictions, or one of the task's metrics.
func figureOf(task Task, examples []Example, predictions []Prediction, metric string) (float64, error) {
	m, ok := task.(Metrics)
	if !ok {
		sum := 0.0
		for i, ex := range examples {
			sum += task.Score(ex, predictions[i].String())
		}
		return sum / float64(max(1, len(examples))), nil
	}
	all, err := m.ComputeMetrics(examples, predictions)
	if err != nil {
		return 0, err
	}
	for _, v := range all {
		if metric == "" || v.Name == metric {
			return v.Value, nil
		}
	}
	return 0, fmt.Errorf("the task has no metric %s", metric)
}

// mostFrequent returns the key with the largest count, the first one in order where there are several.
func mostFrequent[K cmp.Ordered](count map[K]int) K {
	var best K
	for i, k := range slices.Sorted(maps.Keys(count)) {
		if i == 0 || count[k] > count[best] {
			best = k
		}
	}
	return best
}
