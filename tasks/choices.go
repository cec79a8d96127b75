package tasks

import "slices"

// Chooser is a task whose answers are chosen, not generated: the most likely of some continuations of the prompt. Score
// and Example.Want are about the continuation as it is, with its blank in front.
type Chooser interface {
	// Choices are the continuations of an example, two or more.
	Choices(Example) []string
}

// Extractor says what a task takes from an answer to judge it.
type Extractor interface {
	// Extract is that part of an answer, "" where there is none.
	Extract(want Example, got string) string
}

// Outcome is an example and the answer to it.
type Outcome struct {
	Example Example
	Output  string
	Score   float64
}

// Measurer is a task with measures over all answers together, such as F1.
type Measurer interface {
	// Measure is those by name, each from 0 to 1; there is at least one outcome.
	Measure([]Outcome) map[string]float64
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
