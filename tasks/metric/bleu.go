package metric

import (
	"math"
	"regexp"
	"strings"
)

// BLEUSignature says how BLEU is computed, in sacrebleu's terms. A BLEU score means little without it.
const BLEUSignature = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"

// bleuOrder is the longest n-gram.
const bleuOrder = 4

// BLEUScore is BLEU and its parts.
type BLEUScore struct {
	// BLEU is from 0 to 100.
	BLEU float64
	// Precisions are the smoothed precisions of 1-grams to 4-grams, from 0 to 100.
	Precisions [bleuOrder]float64
	// BrevityPenalty is below 1 where the hypotheses are shorter than the references.
	BrevityPenalty float64
	// HypothesisLength and ReferenceLength are the numbers of tokens of the corpus.
	HypothesisLength, ReferenceLength int
}

// BLEU is corpus BLEU (Papineni et al., BLEU, 2002): the geometric mean of the n-gram precisions, counted over the
// corpus, times exp(1 − r/h) where the hypotheses (h tokens) are shorter than the references (r tokens). Tokens are
// those of mteval-v13a. The k-th order without a match gets the precision 1/(2^k·total) (Chen and Cherry, 2014, method
// 3). Both are as in sacrebleu (Post, A Call for Clarity in Reporting BLEU Scores, 2018). BLEU is not meant for single
// sentences.
func BLEU(hypotheses, references []string) (BLEUScore, error) {
	var s BLEUScore
	if err := samePairs(len(hypotheses), len(references)); err != nil {
		return s, err
	}
	var correct, total [bleuOrder]int
	for i := range references {
		h, r := tokens13a(hypotheses[i]), tokens13a(references[i])
		s.HypothesisLength += len(h)
		s.ReferenceLength += len(r)
		for n := 1; n <= bleuOrder; n++ {
			correct[n-1] += commonNGrams(h, r, n)
			total[n-1] += max(0, len(h)-n+1)
		}
	}
	s.combine(correct, total)
	return s, nil
}

// combine computes the score from the numbers of n-grams that match, and of all n-grams.
func (s *BLEUScore) combine(correct, total [bleuOrder]int) {
	s.BrevityPenalty = 1
	switch h, r := s.HypothesisLength, s.ReferenceLength; {
	case h == 0 && r > 0:
		s.BrevityPenalty = 0
	case h < r:
		s.BrevityPenalty = math.Exp(1 - float64(r)/float64(h))
	}
	if correct == [bleuOrder]int{} {
		return
	}
	logs, smooth := 0.0, 1.0
	for n := range total {
		if total[n] == 0 { // no hypothesis is that long: BLEU is 0
			logs = math.Inf(-1)
			break
		}
		s.Precisions[n] = 100 * float64(correct[n]) / float64(total[n])
		if correct[n] == 0 {
			smooth *= 2
			s.Precisions[n] = 100 / (smooth * float64(total[n]))
		}
		logs += math.Log(s.Precisions[n])
	}
	s.BLEU = s.BrevityPenalty * math.Exp(logs/bleuOrder)
}

// commonNGrams is how many n-grams of h are in r. An n-gram counts at most as often as r has it.
func commonNGrams(h, r []string, n int) int {
	left := map[string]int{}
	for i := 0; i+n <= len(r); i++ {
		left[strings.Join(r[i:i+n], " ")]++
	}
	common := 0
	for i := 0; i+n <= len(h); i++ {
		gram := strings.Join(h[i:i+n], " ")
		if left[gram] > 0 {
			left[gram]--
			common++
		}
	}
	return common
}

var (
	// unescape13a are the replacements that are made first, one after the other.
	unescape13a = [][2]string{{"<skipped>", ""}, {"-\n", ""}, {"\n", " "}, {"&quot;", `"`}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}}
	// split13a puts blanks around punctuation, but not inside numbers.
	split13a = []struct {
		find *regexp.Regexp
		put  string
	}{
		{regexp.MustCompile("[ -&(-+:-@\\[-`{-~/]"), " $0 "},
		{regexp.MustCompile(`([^0-9])([.,])`), "$1 $2 "},
		{regexp.MustCompile(`([.,])([^0-9])`), " $1 $2"},
		{regexp.MustCompile(`([0-9])(-)`), "$1 $2 "},
	}
)

// tokens13a are the tokens of mteval-v13a, the scorer of the WMT shared tasks.
func tokens13a(s string) []string {
	s = strings.TrimRightFunc(s, isBlank)
	for _, r := range unescape13a {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	s = " " + s + " "
	for _, r := range split13a {
		s = r.find.ReplaceAllString(s, r.put)
	}
	return words(s)
}
