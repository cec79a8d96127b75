package tasks

import (
	"encoding/json"
	"iter"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Segment is a piece of an example's text.
type Segment struct {
	Text string
	// Scored says that the loss is taken on it.
	Scored bool
	// EOS puts the end-of-sequence token behind the text, scored with it.
	EOS bool
}

// Example is what one record of a data set becomes.
type Example struct {
	// Segments are the text to train on, in order; nil where Chat has it.
	Segments []Segment
	// Chat is a conversation that the model's chat template renders; the assistant's turns are scored.
	Chat []chat.Message
	// Tools are the functions that the conversation may call, as the record has them; nil for none.
	Tools json.RawMessage
	// Prompt is what generation starts from; it may differ from the prompt in Segments. Empty for a Chat, whose prompt
	// is all before the last assistant turn.
	Prompt string
	// Reference is the reference that Score compares with.
	Reference string
	// Input is what a task for another head than a language model's has in place of Segments.
	Input Input
	// Source is "file:line", for messages.
	Source string

	// latex says that Want is judged as LaTeX, not as a number.
	latex bool
	// choices are the continuations to choose from.
	choices []string
	// shots are the worked examples within Prompt.
	shots *shots
	// kind parts the examples of which worked ones are drawn by turns.
	kind string
	// group is what the example is counted under, such as a subject.
	group string
}

// Input is one text or two that belong together, and what a head is to say of them.
type Input struct {
	// Text is the text, Pair the second one or "".
	Text, Pair string
	// Words are where the words of Text are that have labels of their own, in bytes.
	Words [][2]int
	// Labels are the classes that hold, or those of the words; nil where they are not known.
	Labels []string
	// Values are what a regression is to give, or how alike the two texts are.
	Values []float64
	// Answers are the places in Pair that answer the question in Text; with Known, none means that there is no answer.
	Answers []TextSpan
	Known   bool
}

// TextSpan is a piece of a text and where it begins there, in characters.
type TextSpan struct {
	Text  string
	Start int
}

// Split is a part of a data set.
type Split string

// The splits: Eval is looked at while training, Test afterwards. A task without data for Test of its own takes Eval's.
const (
	Train Split = "train"
	Eval  Split = "eval"
	Test  Split = "test"
)

// Task is data and how answers to it are judged.
type Task interface {
	// Examples yields a split in a fixed order; an error is the last thing it yields. A split for which no data were
	// given yields nothing.
	Examples(split Split) iter.Seq2[Example, error]
	// Score judges a generated answer, from 0 (wrong, or none) to 1.
	Score(want Example, got string) float64
}

// Generator is a task whose answers are generated (greedily) and then scored. Others are judged by their loss alone.
type Generator interface {
	Generation() GenerationOptions
}

// GenerationOptions is how far an answer goes.
type GenerationOptions struct {
	// MaxNewTokens ends an answer.
	MaxNewTokens int
	// Stop are strings that end an answer, which goes up to the first of them.
	Stop []string
	// NumBeams is the width of a beam search; 0 or 1 takes the likeliest token. LengthPenalty, EarlyStopping, MinLength
	// and NoRepeatNgramSize are the search's, as transformers has them.
	NumBeams          int
	LengthPenalty     float64
	EarlyStopping     bool
	MinLength         int
	NoRepeatNgramSize int
}

// Packer is a task of running text: its documents are cut into blocks of so many tokens. With pack, documents are laid
// end to end first.
type Packer interface {
	Packing() (size int, pack bool)
}

// Describer says in a line what a task is.
type Describer interface {
	Describe() string
}

// Checker refuses options that make no sense together; New calls it.
type Checker interface {
	Check() error
}
