// Package head names what a model is for: the [Kind] of its head, its labels and the problem that it solves. Only these names
// belong here. What a head computes belongs to package model, and what its outputs mean to package tasks.
//
//	m, err := model.Load(ctx, "bert", model.Options{
//		Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"bad", "good"}},
//	})
package head

// Kind is a kind of head.
type Kind string

// The kinds of heads.
const (
	CausalLM               Kind = "causal-lm"
	MaskedLM               Kind = "masked-lm"
	Seq2SeqLM              Kind = "seq2seq-lm"
	SequenceClassification Kind = "sequence-classification"
	TokenClassification    Kind = "token-classification"
	QuestionAnswering      Kind = "question-answering"
	// MultipleChoice gives every text one score; those that are choices of one question compete.
	MultipleChoice Kind = "multiple-choice"
	// FeatureExtraction turns texts into vectors: there is nothing on the hidden states but pooling.
	FeatureExtraction Kind = "embedding"
)

// The problems of sequence classification, as config.json's problem_type has them.
const (
	SingleLabel = "single_label_classification"
	MultiLabel  = "multi_label_classification"
	Regression  = "regression"
)

// IgnoreIndex is the label of what is not scored, as in PyTorch.
const IgnoreIndex = -100

// Config is what decides a head's shape and meaning.
type Config struct {
	Kind Kind `json:"kind"`
	// Labels are the names of the classes, in the order of their ids; for regression one for each value.
	Labels []string `json:"labels,omitempty"`
	// ProblemType is what sequence classification is for; "" is Regression with one label, else SingleLabel.
	ProblemType string `json:"problem_type,omitempty"`
}

// Problem is ProblemType with its default.
func (c Config) Problem() string {
	switch {
	case c.ProblemType != "":
		return c.ProblemType
	case len(c.Labels) == 1:
		return Regression
	}
	return SingleLabel
}
