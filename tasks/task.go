package tasks

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Task is a data set and the way in which answers to its examples are scored. What else a task can do is in the
// optional interfaces, which begin with Describer; Register refuses a task whose method nearly matches one.
type Task interface {
	// Examples yields a split, always in the same order; an error is the last thing it yields. A split for which no
	// data were given yields nothing.
	Examples(split Split) iter.Seq2[Example, error]
	// Score scores the text of an answer, from 0 (wrong, or no answer) to 1.
	Score(want Example, got string) float64
}

// Split is a part of a data set.
type Split string

// The splits. Eval is evaluated during training, Test after it. For a task without data for Test it is the same as
// Eval.
const (
	Train Split = "train"
	Eval  Split = "eval"
	Test  Split = "test"
)

// check returns an error if there is no such split.
func (s Split) check() error {
	switch s {
	case Train, Eval, Test:
		return nil
	}
	return fmt.Errorf("split %q is not known; known are train, eval, test", string(s))
}

// Example is what a task makes of one record.
type Example struct {
	// Segments are the text to train on, in order. They are nil where Chat or Input holds it.
	Segments []Segment
	// Chat is a conversation. The model's chat template renders it, and the assistant's turns are scored
	// (chat.Template.Segments says what they are).
	Chat []chat.Message
	// Tools are the functions that the conversation may call, as JSON; nil for none.
	Tools json.RawMessage
	// TemplateArgs are further variables of the chat template (enable_thinking, documents …).
	TemplateArgs chat.OrderedMap
	// Prompt is the text that generation, or a choice, continues. It may differ from the prompt in Segments. It is
	// empty for a Chat, whose prompt is everything before the last turn of the assistant.
	Prompt string
	// Reference is the right answer, with which Score compares.
	Reference string
	// Choices are the continuations of Prompt to choose from, for MultipleChoice. Reference is one of them.
	Choices []string
	// Input is what a task for another head than a causal language model's has in place of Segments.
	Input Input
	// Class sorts the examples: worked examples are drawn from each class in turn.
	Class string
	// Group is what the example is counted under, such as a subject.
	Group string
	// Source is where the example comes from, as "file:line", for messages.
	Source string
	// Unused are the names of the record's fields that say something and are not used.
	Unused []string

	latex bool   // answers are compared as LaTeX, not as numbers
	shots *shots // the worked examples in Prompt

	earlier []Segment // the rounds before Prompt
}

// Segment is a piece of the text of an example.
type Segment struct {
	Text string
	// Scored says that the loss is taken on the text.
	Scored bool
	// EOS puts the end-of-sequence token after the text. It is scored as the text is.
	EOS bool
}

// Response is a prompt that is not scored, followed by an answer and the end of the sequence, which are.
func Response(prompt, answer string) []Segment {
	return []Segment{{Text: prompt}, {Text: answer, Scored: true, EOS: true}}
}

// Answered is an example that trains on a response and asks for it.
func Answered(prompt, answer string) Example {
	return Example{Segments: Response(prompt, answer), Prompt: prompt, Reference: answer}
}

// Input is a text, or two texts that belong together, and what a head is to say about them.
type Input struct {
	// Text is the text, and Pair the second text or "".
	Text, Pair string
	// Words are the words of Text that have labels of their own, as ranges of bytes.
	Words [][2]int
	// Labels are the classes of the text, or those of its Words; nil where they are not known.
	Labels []string
	// Values are the numbers that a regression is to give, or how similar the two texts are.
	Values []float64
	// Answers are the answers in Pair to the question in Text. Known says that the answers are known: with none of
	// them, the question has no answer.
	Answers []TextSpan
	Known   bool
}

// TextSpan is a piece of a text and the character of the text at which it begins.
type TextSpan struct {
	Text  string
	Start int
}
