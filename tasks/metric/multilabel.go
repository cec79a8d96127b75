package metric

import "fmt"

// LabelScores are the scores of predictions that are any number of labels each.
type LabelScores struct {
	// Labels are the counts of each label, in the order of the predictions.
	Labels []PRF
	// Exact is the share of examples whose labels are all right.
	Exact float64
}

// Labels scores examples × labels: predicted[i][l] says that label l is predicted for example i, and gold[i][l] that it
// holds.
func Labels(predicted, gold [][]bool) (*LabelScores, error) {
	if err := samePairs(len(predicted), len(gold)); err != nil {
		return nil, err
	}
	s := &LabelScores{Labels: make([]PRF, len(gold[0]))}
	exact := 0
	for i := range gold {
		if len(predicted[i]) != len(s.Labels) || len(gold[i]) != len(s.Labels) {
			return nil, fmt.Errorf("metric: example %d has %d predicted and %d gold labels; want %d, as the first", i, len(predicted[i]), len(gold[i]), len(s.Labels))
		}
		right := true
		for l := range s.Labels {
			p, g := predicted[i][l], gold[i][l]
			right = right && p == g
			s.Labels[l] = s.Labels[l].add(PRF{Correct: one(p && g), Predicted: one(p), Gold: one(g)})
		}
		exact += one(right)
	}
	s.Exact = ratio(exact, len(gold))
	return s, nil
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Micro is the sum of the counts of all labels. Its F1 is the micro average (Yang and Liu, A Re-examination of Text
// Categorization Methods, 1999).
func (s *LabelScores) Micro() PRF {
	var sum PRF
	for _, c := range s.Labels {
		sum = sum.add(c)
	}
	return sum
}

// MacroF1 is the mean of the F1 of the labels. A label that is never gold and never predicted counts as 0.
func (s *LabelScores) MacroF1() float64 { return macroF1(s.Labels) }
