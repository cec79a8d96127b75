// Package metric scores predictions against references. What belongs here is a pure function of texts, tags, classes or
// numbers; which of them a task uses, and what it takes from an answer, is the task's.
//
//	s, err := metric.SQuAD([]string{"the Danube"}, [][]string{{"Danube", "River Danube"}})
//	// s.ExactMatch is 1: articles do not count.
//
// Predictions of one class each go to [NewConfusion], of any number of classes to [Labels], of numbers to [MSE],
// [Pearson] and [Spearman]. Tags of words go to [Entities], whose rule is conlleval's. Texts go to [SQuAD] (answers),
// [BLEU] (translations) and [RougeL] (summaries). The final answers of word problems are compared by [MetaMathEqual],
// [RawEqual] and [EquivalentLaTeX], and [RunProgram] computes those of ConvFinQA.
//
// Every score has the definition of the scorer that published figures come from, down to how text is split into words;
// the tests compare with that scorer. Where predictions and references are not equally many, or there are none, the
// error says so. A ratio whose denominator is 0 is 0, as in scikit-learn and seqeval.
package metric

import "fmt"

// samePairs returns an error unless there are as many predictions as references, and at least one.
func samePairs(predicted, gold int) error {
	if predicted != gold {
		return fmt.Errorf("metric: %d predictions for %d references; want as many", predicted, gold)
	}
	if gold == 0 {
		return fmt.Errorf("metric: nothing to score")
	}
	return nil
}
