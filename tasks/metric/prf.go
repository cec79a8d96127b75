package metric

// PRF is the counts that precision, recall and F1 are made of (van Rijsbergen, Information Retrieval, 1979, chapter 7).
type PRF struct {
	// Correct is how many are both predicted and gold.
	Correct int
	// Predicted is how many were predicted, and Gold how many there are.
	Predicted, Gold int
}

// Precision is Correct / Predicted.
func (c PRF) Precision() float64 { return ratio(c.Correct, c.Predicted) }

// Recall is Correct / Gold.
func (c PRF) Recall() float64 { return ratio(c.Correct, c.Gold) }

// F1 is the harmonic mean of precision and recall, 2·Correct / (Predicted + Gold).
func (c PRF) F1() float64 { return ratio(2*c.Correct, c.Predicted+c.Gold) }

// add is the sum of two counts, for a micro average.
func (c PRF) add(d PRF) PRF {
	return PRF{Correct: c.Correct + d.Correct, Predicted: c.Predicted + d.Predicted, Gold: c.Gold + d.Gold}
}

// ratio is a/b, and 0 where b is 0.
func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// macroF1 is the mean of the F1 of classes.
func macroF1(classes []PRF) float64 {
	sum := 0.0
	for _, c := range classes {
		sum += c.F1()
	}
	return sum / float64(max(len(classes), 1))
}
