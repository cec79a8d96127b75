package tasks

import (
	"math"
	"path/filepath"
	"testing"
)

// TestLevels computes levels by hand: 3 of 4 answers are yes; two classes of three texts.
func TestLevels(t *testing.T) {
	question := func(right int) Example { return Question("q", decisions, right) }
	pubmed := []Example{question(0), question(0), question(1), question(0)}
	path := filepath.Join(t.TempDir(), "d.csv")
	write(t, path, "text,label\na,good\nb,bad\nc,good\n")
	classify := mustNew(t, "classify", map[string]any{"eval_data": path, "data": path})
	for _, c := range []struct {
		task             Task
		examples         []Example
		metric           string
		chance, majority float64 // NaN: not known
	}{
		{&PubMedQA{}, pubmed, "", 1.0 / 3, 0.75},
		{&PubMedQA{}, pubmed, "accuracy", 1.0 / 3, 0.75},
		{&PubMedQA{}, pubmed, "macro_f1", math.NaN(), 6.0 / 7 / 2}, // the F1 of yes is 6/7, of no 0
		{&MedQA{}, []Example{Question("q", []string{"A", "B"}, 1), Question("q", []string{"A", "B", "C", "D"}, 1)}, "", 0.375, 1},
		{classify, mustCollect(t, classify, Eval), "", 0.5, 2.0 / 3},
		{&Memory{}, nil, "", 0.0977, math.NaN()},
		{&Math{}, nil, "", math.NaN(), math.NaN()},
	} {
		levels, err := LevelsOf(c.task, c.examples, c.metric)
		if err != nil || !isLevel(levels.Chance, c.chance) || !isLevel(levels.Majority, c.majority) {
			t.Errorf("%T %s: got %v, %v (%v), want %g, %g", c.task, c.metric, levels.Chance, levels.Majority, err, c.chance, c.majority)
		}
	}
	if _, err := LevelsOf(&PubMedQA{}, pubmed, "bleu"); err == nil {
		t.Error("an unknown metric has a level")
	}
}

func isLevel(got *float64, want float64) bool {
	if got == nil || math.IsNaN(want) {
		return got == nil && math.IsNaN(want)
	}
	return math.Abs(*got-want) < 1e-4
}
