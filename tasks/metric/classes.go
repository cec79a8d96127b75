package metric

import (
	"cmp"
	"fmt"
	"slices"
)

// Confusion is a confusion matrix: it counts pairs of gold and predicted classes.
type Confusion[L cmp.Ordered] struct {
	// Labels are all classes that occur, gold or predicted, sorted.
	Labels []L
	// Counts[i][j] is the number of examples of class Labels[i] that were predicted as Labels[j].
	Counts [][]int
}

// NewConfusion counts predictions that are one class each. Both slices have the same length, which is not 0.
func NewConfusion[L cmp.Ordered](predicted, gold []L) (*Confusion[L], error) {
	if err := samePairs(len(predicted), len(gold)); err != nil {
		return nil, err
	}
	c := &Confusion[L]{Labels: slices.Compact(slices.Sorted(slices.Values(slices.Concat(predicted, gold))))}
	if i := slices.IndexFunc(c.Labels, func(l L) bool { return l != l }); i >= 0 {
		return nil, fmt.Errorf("metric: a class is not a number")
	}
	c.Counts = make([][]int, len(c.Labels))
	for i := range c.Counts {
		c.Counts[i] = make([]int, len(c.Labels))
	}
	for i := range gold {
		g, _ := slices.BinarySearch(c.Labels, gold[i])
		p, _ := slices.BinarySearch(c.Labels, predicted[i])
		c.Counts[g][p]++
	}
	return c, nil
}

// Class is the counts of the class Labels[i].
func (c *Confusion[L]) Class(i int) PRF {
	s := PRF{Correct: c.Counts[i][i]}
	for j := range c.Counts {
		s.Gold += c.Counts[i][j]
		s.Predicted += c.Counts[j][i]
	}
	return s
}

func (c *Confusion[L]) classes() []PRF {
	all := make([]PRF, len(c.Labels))
	for i := range all {
		all[i] = c.Class(i)
	}
	return all
}

// Accuracy is the share of predictions that are right. Where each example has one class, micro F1 is the same.
func (c *Confusion[L]) Accuracy() float64 {
	var sum PRF
	for _, s := range c.classes() {
		sum = sum.add(s)
	}
	return sum.Recall()
}

// MacroF1 is the mean of the F1 of the classes (Yang and Liu, A Re-examination of Text Categorization Methods, 1999).
func (c *Confusion[L]) MacroF1() float64 { return macroF1(c.classes()) }

// WeightedF1 is the mean of the F1 of the classes, weighted by how many gold examples each has.
func (c *Confusion[L]) WeightedF1() float64 {
	sum, n := 0.0, 0
	for _, s := range c.classes() {
		sum += float64(s.Gold) * s.F1()
		n += s.Gold
	}
	return sum / float64(max(n, 1))
}
