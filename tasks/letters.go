package tasks

import (
	"fmt"
	"strings"
)

// letterChoices are the continuations that name an option: " A", " B" …
func letterChoices(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = " " + string(rune('A'+i))
	}
	return all
}

// optionLines are options behind their letters, one a line.
func optionLines(options []string) string {
	var b strings.Builder
	for i, o := range options {
		fmt.Fprintf(&b, "%c. %s\n", 'A'+i, o)
	}
	return b.String()
}

// lettered is a question whose answer is the letter of an option; right counts from 0.
func lettered(prompt string, options, right int) Example {
	choices := letterChoices(options)
	return Example{Segments: response(prompt, choices[right]), Prompt: prompt, Reference: choices[right], choices: choices}
}

// multipleChoice is what the tasks with lettered options share.
type multipleChoice struct{}

// Choices are the letters.
func (multipleChoice) Choices(ex Example) []string { return ex.choices }

// Score is 1 for the right letter.
func (multipleChoice) Score(want Example, got string) float64 { return exactly(want, got) }

// ParseAnswer is the letter.
func (multipleChoice) ParseAnswer(_ Example, got string) string { return strings.TrimSpace(got) }
