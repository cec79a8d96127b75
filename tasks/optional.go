package tasks

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/spagotune/spagotune/tasks/metric"
)

// Describer is a task that says in one line what it is.
type Describer interface {
	Describe() string
}

// Checker is a task that checks its options. New and NewPromptBuilder call Check once the options are set.
type Checker interface {
	Check() error
}

// DataChecker is a task that checks the options that name its data. New calls it; NewPromptBuilder, whose task has no
// data, does not. Files and Text implement it for the tasks that embed them.
type DataChecker interface {
	CheckData() error
}

// Generator is a task whose answers are generated, greedily or by a beam search, and then scored.
type Generator interface {
	Generation() GenerationOptions
}

// GenerationOptions is how an answer is generated.
type GenerationOptions struct {
	// MaxNewTokens is the most tokens of an answer.
	MaxNewTokens int
	// Stop are strings that end an answer. The first of them is cut off, with all that follows.
	Stop []string
	// NumBeams is the width of a beam search; 0 and 1 take the most likely token each time. LengthPenalty,
	// EarlyStopping, MinLength and NoRepeatNgramSize are the settings of the search, as in transformers.
	NumBeams          int
	LengthPenalty     float64
	EarlyStopping     bool
	MinLength         int
	NoRepeatNgramSize int
}

// MultipleChoice is a task whose answers are chosen, not generated: the answer is the continuation of the prompt that
// the model finds most likely. Score and Example.Reference are about the whole continuation, with the blank that it
// begins with.
type MultipleChoice interface {
	// Choices are the continuations of an example, two or more.
	Choices(Example) []string
}

// AnswerParser is a task that scores only a part of an answer, and shows which.
type AnswerParser interface {
	// ParseAnswer is the part of an answer that is scored, "" where there is none.
	ParseAnswer(want Example, got string) string
}

// Metrics is a task with metrics over all answers together, such as F1. The first one is the task's score. A task
// without Metrics has the mean of its scores.
type Metrics interface {
	// ComputeMetrics takes a prediction for every example. The Text of a prediction is the answer that was generated or
	// chosen.
	ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error)
}

// Metric is a figure and its name. The figure is NaN where it is not defined, such as a correlation with answers that are all
// the same.
type Metric struct {
	Name  string
	Value float64
}

// orNaN is a figure, NaN where it is not defined.
func orNaN(v float64, err error) (float64, error) {
	if errors.Is(err, metric.ErrUndefined) {
		return math.NaN(), nil
	}
	return v, err
}

// Prompted is a task whose texts begin with prompts of the model's.
type Prompted interface {
	// SetPrompts takes the model's prompts: prompt is model.Model's Prompt.
	SetPrompts(prompt func(name string) (string, error)) error
}

// OptionLearner is a task some of whose options follow from its data. They are kept beside the trained model, so that it
// answers as its task did.
type OptionLearner interface {
	// LearnedOptions are these options and their values, once the data have been read.
	LearnedOptions() map[string]any
}

// Guesser is a task whose answers are right now and then without any knowledge.
type Guesser interface {
	// Guesses says how good answers are that know nothing of the examples.
	Guesses(examples []Example) Guesses
}

// Guesses are answers that know nothing of their questions.
type Guesses struct {
	// Chance is the score that guessing is expected to get, nil if it is not known.
	Chance *float64
	// Majority always gives the most frequent answer, a prediction for each example; nil if there is no such answer.
	Majority []Prediction
}

// Packer is a task of running text, whose documents are cut into blocks.
type Packer interface {
	// Packing is how the documents are cut.
	Packing() Packing
}

// Packing is how documents become blocks.
type Packing struct {
	// Size is the number of tokens in a block.
	Size int
	// Pack lays the documents end to end before they are cut. With Isolate the documents of a block do not see each other.
	Pack, Isolate bool
}

// optional lists the optional interfaces of a task, each with the method that is its own.
var optional = []struct {
	method string
	typ    reflect.Type
}{
	{"Describe", reflect.TypeFor[Describer]()},
	{"Check", reflect.TypeFor[Checker]()},
	{"CheckData", reflect.TypeFor[DataChecker]()},
	{"Stream", reflect.TypeFor[Streamer]()},
	{"Generation", reflect.TypeFor[Generator]()},
	{"Choices", reflect.TypeFor[MultipleChoice]()},
	{"ParseAnswer", reflect.TypeFor[AnswerParser]()},
	{"ComputeMetrics", reflect.TypeFor[Metrics]()},
	{"LearnedOptions", reflect.TypeFor[OptionLearner]()},
	{"SetPrompts", reflect.TypeFor[Prompted]()},
	{"Guesses", reflect.TypeFor[Guesser]()},
	{"Packing", reflect.TypeFor[Packer]()},
	{"Head", reflect.TypeFor[HeadTask]()},
	{"HeadKind", reflect.TypeFor[HeadKinder]()},
	{"SetContext", reflect.TypeFor[Interruptible]()},
	{"Encode", reflect.TypeFor[Encoder]()},
	{"Postprocess", reflect.TypeFor[Postprocessor]()},
	{"Collate", reflect.TypeFor[Collator]()},
	{"BuildPrompt", reflect.TypeFor[PromptBuilder]()},
}

// checkOptional returns an error if a task has the method of an optional interface but does not implement the
// interface: a type assertion would then pass the method over in silence.
func checkOptional(task Task) error {
	typ := reflect.TypeOf(task)
	for _, o := range optional {
		if _, has := typ.MethodByName(o.method); !has || typ.Implements(o.typ) {
			continue
		}
		for i := range o.typ.NumMethod() {
			want := o.typ.Method(i)
			got, has := typ.MethodByName(want.Name)
			if !has {
				return fmt.Errorf("%s has the method %s of tasks.%s, but lacks %s%s", typ, o.method, o.typ.Name(), want.Name, signature(want.Type, 0))
			}
			if s, w := signature(got.Type, 1), signature(want.Type, 0); s != w {
				return fmt.Errorf("the method %s of %s is func%s; tasks.%s wants func%s", want.Name, typ, s, o.typ.Name(), w)
			}
		}
	}
	return nil
}

// signature is the parameters and results of a function, without the first ones (a method's receiver).
func signature(f reflect.Type, skip int) string {
	var in, out []reflect.Type
	for i := skip; i < f.NumIn(); i++ {
		in = append(in, f.In(i))
	}
	for i := range f.NumOut() {
		out = append(out, f.Out(i))
	}
	return reflect.FuncOf(in, out, f.IsVariadic()).String()[len("func"):]
}
