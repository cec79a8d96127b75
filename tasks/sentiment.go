package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("sentiment", func() Task { return &Sentiment{Files: Files{EvalSize: autoSize}} })
}

// Sentiment is financial texts that are negative, neutral or positive, put as the Financial PhraseBank is and answered by
// log-likelihood: records {"text", "label"}, where the label is one of these words or a number, 0 negative (bearish), 1
// positive (bullish), 2 neutral.
type Sentiment struct {
	Files
	// Worked has the option shots; BloombergGPT and AdaptLLM show 5.
	FewShot
}

var (
	_ MultipleChoice = (*Sentiment)(nil)
	_ Metrics        = (*Sentiment)(nil)
	_ AnswerParser   = (*Sentiment)(nil)
	_ Checker        = (*Sentiment)(nil)
	_ Describer      = (*Sentiment)(nil)
)

// sentiments are the answers, in the prompt's order; sentimentLabels those that the numbers stand for.
var (
	sentiments      = []string{" negative", " neutral", " positive"}
	sentimentLabels = map[string]string{"0": "negative", "1": "positive", "2": "neutral"}
)

// Describe says what the task is.
func (t *Sentiment) Describe() string {
	return "sentiment of financial texts, by log-likelihood; score: accuracy"
}

// Check refuses options that make no sense together.
func (t *Sentiment) Check() error { return oneOf(t.Files.Check(), t.FewShot.check()) }

// Examples yields the records of a split.
func (t *Sentiment) Examples(split Split) iter.Seq2[Example, error] {
	return t.withShots(split, t.Shots, parseSentiment)
}

func parseSentiment(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	text, err1 := o.Text("text")
	label, err2 := o.Scalar("label")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	if name, ok := sentimentLabels[label]; ok {
		label = name
	}
	if !slices.Contains(sentiments, " "+label) {
		return Example{}, fmt.Errorf(`field "label" is %q, want 0 (negative), 1 (positive), 2 (neutral) or the word`, label)
	}
	prompt := text + "\nQuestion: What is the sentiment of this text? Options: negative, neutral, positive.\nAnswer:"
	return Example{Segments: response(prompt, " "+label), Prompt: prompt, Reference: " " + label}, nil
}

// Choices are the three sentiments.
func (t *Sentiment) Choices(Example) []string { return sentiments }

// Score is 1 for the right sentiment.
func (t *Sentiment) Score(want Example, got string) float64 { return exactly(want, got) }

// ParseAnswer is the sentiment.
func (t *Sentiment) ParseAnswer(_ Example, got string) string { return strings.TrimSpace(got) }

// ComputeMetrics is accuracy and weighted F1.
func (t *Sentiment) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	c, err := confusion(examples, answers)
	if err != nil {
		return nil, err
	}
	return []Metric{{"accuracy", c.Accuracy()}, {"weighted_f1", c.WeightedF1()}}, nil
}
