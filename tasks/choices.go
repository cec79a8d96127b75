package tasks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

// ChoiceFiles is what a multiple-choice task embeds that reads its questions from files: the options Files and shots,
// and all methods but Describe and Examples.
type ChoiceFiles struct {
	FewShot
	ChoiceAnswers
}

// NewChoiceFiles are the options with their defaults, for files in any format.
func NewChoiceFiles() ChoiceFiles { return ChoiceFiles{FewShot: NewFewShot(data.ReadAny)} }

// ChoiceAnswers answers the examples of a multiple-choice task, which it embeds: the choices are Example.Choices, and
// the right one scores 1.
type ChoiceAnswers struct{}

var (
	_ MultipleChoice = ChoiceAnswers{}
	_ AnswerParser   = ChoiceAnswers{}
	_ Guesser        = ChoiceAnswers{}
	_ Checker        = (*FewShot)(nil)
	_ DataChecker    = (*Files)(nil)
)

// Choices are the continuations to choose from.
func (ChoiceAnswers) Choices(ex Example) []string { return ex.Choices }

// Score is 1 for the right choice, else 0.
func (ChoiceAnswers) Score(want Example, got string) float64 { return exactly(want, got) }

// ParseAnswer is the choice without the blank before it.
func (ChoiceAnswers) ParseAnswer(_ Example, got string) string { return strings.TrimSpace(got) }

// Guesses are a choice at random, and the choice at the place where most of the right ones are.
func (ChoiceAnswers) Guesses(examples []Example) Guesses {
	chance, right := 0.0, map[int]int{}
	for _, ex := range examples {
		chance += 1 / float64(len(ex.Choices)) / float64(len(examples))
		right[slices.Index(ex.Choices, ex.Reference)]++
	}
	at := mostFrequent(right)
	g := Guesses{Chance: &chance}
	for _, ex := range examples {
		text := ex.Choices[min(at, len(ex.Choices)-1)]
		g.Majority = append(g.Majority, Prediction{Text: &text})
	}
	return g
}

// exactly is 1 for the reference, else 0.
func exactly(want Example, got string) float64 { return float64(b2i(got == want.Reference)) }

// Question is an example of a multiple-choice task: a prompt, what may continue it after a blank, and which of that is
// right, counted from 0.
func Question(prompt string, choices []string, right int) Example {
	continuations := make([]string, len(choices))
	for i, c := range choices {
		continuations[i] = " " + c
	}
	ex := Answered(prompt, continuations[right])
	ex.Choices = continuations
	return ex
}

// letters name options: A, B, C …
func letters(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = string(rune('A' + i))
	}
	return all
}

// optionLines are options after their letters, one a line.
func optionLines(options []string) string {
	var b strings.Builder
	for i, letter := range letters(len(options)) {
		fmt.Fprintf(&b, "%s. %s\n", letter, options[i])
	}
	return b.String()
}

// ChoiceScore is how likely a choice is.
type ChoiceScore struct {
	Text string `json:"text"`
	// LogProb is the log-probability of the choice after the prompt: the sum of those of its tokens.
	LogProb float64 `json:"logprob"`
	// Tokens is the number of its tokens.
	Tokens int `json:"tokens"`
}

// Accuracy is the share of predictions that are exactly the reference.
func Accuracy(examples []Example, predictions []Prediction) Metric {
	right := 0.0
	for i, ex := range examples {
		right += exactly(ex, predictions[i].String())
	}
	return Metric{"acc", right / float64(max(1, len(examples)))}
}

// AccNorm is the accuracy of the choices with the largest log-probability for each of their characters, as lm-eval's
// acc_norm has it: long choices are not at a disadvantage. It is false unless all predictions have the scores of their
// choices.
func AccNorm(examples []Example, predictions []Prediction) (Metric, bool) {
	right := 0.0
	for i, ex := range examples {
		scores := predictions[i].Choices
		if len(scores) == 0 {
			return Metric{}, false
		}
		perCharacter := make([]float64, len(scores))
		for j, c := range scores {
			perCharacter[j] = c.LogProb / float64(max(1, utf8.RuneCountInString(strings.TrimPrefix(c.Text, " "))))
		}
		right += exactly(ex, scores[numeric.Argmax(perCharacter)].Text)
	}
	return Metric{"acc_norm", right / float64(max(1, len(examples)))}, true
}

// confusion counts answers that are one class each.
func confusion(examples []Example, predictions []Prediction) (*metric.Confusion[string], error) {
	got, want := make([]string, len(examples)), make([]string, len(examples))
	for i, ex := range examples {
		got[i], want[i] = predictions[i].String(), ex.Reference
	}
	return metric.NewConfusion(got, want)
}

// groupMetrics are the accuracy, and under the given name the mean of the accuracies of the examples' groups.
func groupMetrics(name string, examples []Example, predictions []Prediction) ([]Metric, error) {
	c, err := confusion(examples, predictions)
	if err != nil {
		return nil, err
	}
	right, count := map[string]float64{}, map[string]float64{}
	for i, ex := range examples {
		right[ex.Group] += exactly(ex, predictions[i].String())
		count[ex.Group]++
	}
	mean := 0.0
	for _, g := range slices.Sorted(maps.Keys(count)) {
		mean += right[g] / count[g] / float64(len(count))
	}
	return []Metric{{"accuracy", c.Accuracy()}, {name, mean}}, nil
}

// Choice is a choice and the tokens that continue the prompt with it.
type Choice struct {
	Text string
	IDs  []int32
}

// EncodeChoices returns the tokens of an example's prompt and of its choices. Prompt and choice are tokenised as one
// text. Where no token begins at the border between the two, they are tokenised apart.
func EncodeChoices(tok Tokenizer, template Template, ex Example, choices []string) (prompt []int32, all []Choice, err error) {
	if prompt, err = EncodePrompt(tok, template, ex); err != nil {
		return nil, nil, err
	}
	lead := len(before(tok))
	for _, text := range choices {
		c := Choice{Text: text, IDs: tok.Encode(text, false)}
		if ex.Chat == nil {
			whole := tok.Encode(ex.Prompt+text, false)
			if n := len(prompt) - lead; len(whole) > n && slices.Equal(whole[:n], prompt[lead:]) {
				c.IDs = whole[n:]
			}
		}
		all = append(all, c)
	}
	return prompt, all, tokenizerErr(tok)
}
