package metric

import "strings"

// SQuADScores are means over the questions, from 0 to 1. (Papers print them times 100.)
type SQuADScores struct {
	ExactMatch, F1 float64
}

// SQuAD scores one answer to each question against its gold answers, of which the one that suits it best counts
// (Rajpurkar et al., SQuAD, 2016; Rajpurkar et al., Know What You Don't Know, 2018). Without gold answers the right
// answer is "". Answers are compared in lower case, without ASCII punctuation, the articles a, an and the, and extra
// blanks.
func SQuAD(predicted []string, gold [][]string) (SQuADScores, error) {
	if err := samePairs(len(predicted), len(gold)); err != nil {
		return SQuADScores{}, err
	}
	var s SQuADScores
	for i, p := range predicted {
		answer := answerWords(p)
		exact, f1 := bestAnswer(answer, gold[i])
		s.ExactMatch += exact
		s.F1 += f1
	}
	s.ExactMatch /= float64(len(gold))
	s.F1 /= float64(len(gold))
	return s, nil
}

// bestAnswer is the largest exact match and the largest F1. Gold answers without words count only if there are no
// others.
func bestAnswer(answer []string, gold []string) (exact, f1 float64) {
	found := false
	for _, g := range gold {
		want := answerWords(g)
		if len(want) == 0 {
			continue
		}
		found = true
		exact = max(exact, sameWords(answer, want))
		f1 = max(f1, wordF1(answer, want))
	}
	if !found {
		exact = sameWords(answer, nil)
		f1 = exact
	}
	return exact, f1
}

func sameWords(a, b []string) float64 {
	if strings.Join(a, " ") == strings.Join(b, " ") {
		return 1
	}
	return 0
}

// wordF1 is the F1 of the words, each counted as often as it occurs.
func wordF1(answer, want []string) float64 {
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	c := PRF{Predicted: len(answer), Gold: len(want)}
	for _, w := range answer {
		if left[w] > 0 {
			left[w]--
			c.Correct++
		}
	}
	return c.F1()
}

// answerWords are the words of an answer that are compared.
func answerWords(s string) []string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r) {
			return -1
		}
		return r
	}, lower(s))
	return words(withoutArticles(s))
}

// withoutArticles replaces each of the words a, an and the by a blank.
func withoutArticles(s string) string {
	var out strings.Builder
	for len(s) > 0 {
		end := strings.IndexFunc(s, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(s)
		}
		switch word := s[:end]; word {
		case "a", "an", "the":
			out.WriteByte(' ')
		default:
			out.WriteString(word)
		}
		s = s[end:]
		next := strings.IndexFunc(s, inWord)
		if next < 0 {
			next = len(s)
		}
		out.WriteString(s[:next])
		s = s[next:]
	}
	return out.String()
}
