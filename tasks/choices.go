package tasks

import (
	"maps"
	"slices"

	"github.com/spagotune/spagotune/tasks/metric"
)

// MultipleChoice is a task whose answers are chosen, not generated: the most likely of some continuations of the prompt. Score
// and Example.Want are about the continuation as it is, with its blank in front.
type MultipleChoice interface {
	// Choices are the continuations of an example, two or more.
	Choices(Example) []string
}

// AnswerParser says what a task takes from an answer to judge it.
type AnswerParser interface {
	// ParseAnswer is that part of an answer, "" where there is none.
	ParseAnswer(want Example, got string) string
}

// exactly is 1 for the wanted text, else 0.
func exactly(want Example, got string) float64 { return float64(b2i(got == want.Reference)) }

// confusion counts answers that are a class each.
func confusion(examples []Example, answers []Prediction) (*metric.Confusion[string], error) {
	said, want := make([]string, len(examples)), make([]string, len(examples))
	for i, ex := range examples {
		said[i], want[i] = answers[i].String(), ex.Reference
	}
	return metric.NewConfusion(said, want)
}

// judgeGroups is accuracy, and by that name the mean over the examples' groups of theirs.
func judgeGroups(name string, examples []Example, answers []Prediction) ([]Metric, error) {
	c, err := confusion(examples, answers)
	if err != nil {
		return nil, err
	}
	sum, n := map[string]float64{}, map[string]float64{}
	for i, ex := range examples {
		sum[ex.group] += exactly(ex, answers[i].String())
		n[ex.group]++
	}
	mean := 0.0
	for _, g := range slices.Sorted(maps.Keys(n)) {
		mean += sum[g] / n[g] / float64(len(n))
	}
	return []Metric{{"accuracy", c.Accuracy()}, {name, mean}}, nil
}

// Choice is a continuation to choose, and its tokens behind the prompt's.
type Choice struct {
	Text string
	IDs  []int32
}

// EncodeChoices is the tokens of an example's prompt and of its choices. Prompt and choice are tokenised as one text; where
// their border is none between tokens, apart.
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
	return prompt, all, nil
}
