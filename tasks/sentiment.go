package tasks

import (
	"fmt"
	"iter"
	"slices"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("sentiment", func() Task {
		t := &Sentiment{NewChoiceFiles()}
		t.classOf = byLabel("label")
		return t
	})
}

// Sentiment is financial texts that are negative, neutral or positive, asked about as the Financial PhraseBank is and
// answered by log-likelihood. Records are {"text", "label"}, where the label is one of these words or a number: 0 is
// negative (bearish), 1 positive (bullish), 2 neutral. BloombergGPT and AdaptLLM show 5 worked examples.
type Sentiment struct{ ChoiceFiles }

var _ interface {
	MultipleChoice
	Metrics
	Describer
} = (*Sentiment)(nil)

var (
	// sentiments are the answers, in the order of the prompt.
	sentiments = []string{"negative", "neutral", "positive"}
	// sentimentLabels are what the numbers of a record stand for.
	sentimentLabels = map[string]string{"0": "negative", "1": "positive", "2": "neutral"}
)

// Describe says what the task is.
func (t *Sentiment) Describe() string {
	return "sentiment of financial texts, by log-likelihood; score: accuracy"
}

// Examples yields the texts of a split.
func (t *Sentiment) Examples(split Split) iter.Seq2[Example, error] {
	return t.Parse(split, parseSentiment)
}

func parseSentiment(r data.Record) (Example, error) {
	f := r.Fields()
	text, label := f.Text("text"), f.Scalar("label")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	if name, ok := sentimentLabels[label]; ok {
		label = name
	}
	right := slices.Index(sentiments, label)
	if right < 0 {
		return Example{}, fmt.Errorf(`field "label" is %q, want 0 (negative), 1 (positive), 2 (neutral) or the word`, label)
	}
	return Question(text+"\nQuestion: What is the sentiment of this text? Options: negative, neutral, positive.\nAnswer:", sentiments, right), nil
}

// ComputeMetrics is the accuracy and the weighted F1.
func (t *Sentiment) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	c, err := confusion(examples, predictions)
	if err != nil {
		return nil, err
	}
	return []Metric{{"accuracy", c.Accuracy()}, {"weighted_f1", c.WeightedF1()}}, nil
}
