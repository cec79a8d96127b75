package metric

import "strings"

// RougeL is the mean over all pairs of ROUGE-L's F measure, from 0 to 1 (Lin, ROUGE, 2004). With l the length of the
// longest common subsequence of words, precision is l divided by the number of words of the hypothesis, recall is l
// divided by the number of words of the reference, and F is their harmonic mean. Words are runs of a–z and 0–9 in lower
// case, without stemming, as in the package rouge_score.
func RougeL(hypotheses, references []string) (float64, error) {
	if err := samePairs(len(hypotheses), len(references)); err != nil {
		return 0, err
	}
	sum := 0.0
	for i := range references {
		h, r := rougeWords(hypotheses[i]), rougeWords(references[i])
		sum += PRF{Correct: commonSubsequence(h, r), Predicted: len(h), Gold: len(r)}.F1()
	}
	return sum / float64(len(references)), nil
}

func rougeWords(s string) []string {
	return strings.FieldsFunc(lower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// commonSubsequence is the length of the longest sequence of words that both have in the same order, with or without
// gaps.
func commonSubsequence(a, b []string) int {
	best := make([]int, len(b)+1) // best[j] is that of the words of a seen so far, and b[:j]
	for _, w := range a {
		diagonal := 0
		for j := range b {
			above := best[j+1]
			if w == b[j] {
				best[j+1] = diagonal + 1
			} else {
				best[j+1] = max(above, best[j])
			}
			diagonal = above
		}
	}
	return best[len(b)]
}
