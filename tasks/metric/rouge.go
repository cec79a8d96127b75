package metric

import (
	"slices"
	"strings"
)

// Words of ROUGE (Lin, ROUGE, 2004) are runs of a–z and 0–9 in lower case, without stemming, as in the package
// rouge_score. Each of its scores is the mean over all pairs of an F measure, from 0 to 1: the harmonic mean of precision
// (what is common, over what the hypothesis has) and recall (over what the reference has).

// RougeN is ROUGE-N, which counts the n-grams of words that are common. One counts as often as both have it.
func RougeN(n int, hypotheses, references []string) (float64, error) {
	return rouge(hypotheses, references, func(h, r string) PRF {
		a, b := ngrams(rougeWords(h), n), ngrams(rougeWords(r), n)
		var c PRF
		for g, k := range a {
			c.Correct += min(k, b[g])
			c.Predicted += k
		}
		for _, k := range b {
			c.Gold += k
		}
		return c
	})
}

// RougeL is ROUGE-L, which counts the words of the longest common subsequence.
func RougeL(hypotheses, references []string) (float64, error) {
	return rouge(hypotheses, references, func(h, r string) PRF {
		a, b := rougeWords(h), rougeWords(r)
		return PRF{Correct: len(commonSubsequence(a, b)), Predicted: len(a), Gold: len(b)}
	})
}

// RougeLsum is ROUGE-L of summaries. Their sentences are lines. For each sentence of the reference it counts the words
// that are in the longest common subsequence with any sentence of the hypothesis (Lin, section 3.2). A word counts no
// more often than either side has it.
func RougeLsum(hypotheses, references []string) (float64, error) {
	return rouge(hypotheses, references, func(h, r string) PRF {
		a, b := sentences(h), sentences(r)
		c := PRF{}
		left, wanted := map[string]int{}, map[string]int{} // the words that are not counted yet
		for _, s := range a {
			c.Predicted += len(s)
			count(left, s)
		}
		for _, s := range b {
			c.Gold += len(s)
			count(wanted, s)
		}
		for _, s := range b {
			for _, i := range union(a, s) {
				if w := s[i]; left[w] > 0 && wanted[w] > 0 {
					c.Correct++
					left[w]--
					wanted[w]--
				}
			}
		}
		return c
	})
}

// rouge is the mean of the F measures of pairs.
func rouge(hypotheses, references []string, compare func(h, r string) PRF) (float64, error) {
	if err := samePairs(len(hypotheses), len(references)); err != nil {
		return 0, err
	}
	sum := 0.0
	for i := range references {
		sum += compare(hypotheses[i], references[i]).F1()
	}
	return sum / float64(len(references)), nil
}

func rougeWords(s string) []string {
	return strings.FieldsFunc(lower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// sentences are the words of each line that has any.
func sentences(text string) [][]string {
	var all [][]string
	for line := range strings.SplitSeq(text, "\n") {
		if w := rougeWords(line); len(w) > 0 {
			all = append(all, w)
		}
	}
	return all
}

// ngrams counts the runs of n words.
func ngrams(words []string, n int) map[string]int {
	all := map[string]int{}
	for i := 0; i+n <= len(words); i++ {
		all[strings.Join(words[i:i+n], " ")]++
	}
	return all
}

func count(all map[string]int, words []string) {
	for _, w := range words {
		all[w]++
	}
}

// union are the places of the words of a reference sentence that are in a longest common subsequence with any of the
// sentences, in order.
func union(sentences [][]string, reference []string) []int {
	var places []int
	for _, s := range sentences {
		places = append(places, commonSubsequence(s, reference)...)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// commonSubsequence are the places in b of the words of the longest sequence that both have in the same order, with or
// without gaps. Of several longest ones it is the one that rouge_score takes.
func commonSubsequence(a, b []string) []int {
	best := make([][]int, len(a)+1) // best[i][j] is the length of that of a[:i] and b[:j]
	best[0] = make([]int, len(b)+1)
	for i, w := range a {
		best[i+1] = make([]int, len(b)+1)
		for j := range b {
			if w == b[j] {
				best[i+1][j+1] = best[i][j] + 1
			} else {
				best[i+1][j+1] = max(best[i][j+1], best[i+1][j])
			}
		}
	}
	var places []int
	for i, j := len(a), len(b); i > 0 && j > 0; {
		switch {
		case a[i-1] == b[j-1]:
			i, j = i-1, j-1
			places = append(places, j)
		case best[i-1][j] > best[i][j-1]:
			i--
		default:
			j--
		}
	}
	slices.Reverse(places)
	return places
}
