// Package metric scores predictions against references: entities (conlleval), answers (SQuAD), translations and
// summaries (BLEU, ROUGE-L), classes, several labels at once, numbers.
//
// Every score is a pure function with the definition that published figures use, down to how text is cut into words.
// Sets of unequal length and empty ones are errors. What divides by zero is 0, as in scikit-learn and seqeval.
package metric

import "fmt"

// samePairs refuses what cannot be compared pair by pair.
func samePairs(predicted, gold int) error {
	if predicted != gold {
		return fmt.Errorf("metric: %d predictions for %d references; want as many", predicted, gold)
	}
	if gold == 0 {
		return fmt.Errorf("metric: nothing to score")
	}
	return nil
}
