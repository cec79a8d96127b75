package model

// Kind is a kind of head: what a model is trained for.
type Kind string

// The kinds of heads.
const (
	CausalLM               Kind = "causal-lm"
	MaskedLM               Kind = "masked-lm"
	Seq2SeqLM              Kind = "seq2seq-lm"
	SequenceClassification Kind = "sequence-classification"
	TokenClassification    Kind = "token-classification"
	QuestionAnswering      Kind = "question-answering"
	// FeatureExtraction is a host without weights behind its hidden states: texts become vectors.
	FeatureExtraction Kind = "embedding"
)

// The problems of sequence classification, as config.json's problem_type has them.
const (
	SingleLabel = "single_label_classification"
	MultiLabel  = "multi_label_classification"
	Regression  = "regression"
)

// HeadConfig is what decides a head's shape.
type HeadConfig struct {
	Kind Kind
	// Labels are the names of the classes, in the order of their ids; for regression one for each value.
	Labels []string
	// ProblemType is what sequence classification is for; "" is Regression with one label, else SingleLabel.
	ProblemType string
}

// ProblemOrDefault is Problem with its default.
func (c HeadConfig) ProblemOrDefault() string {
	switch {
	case c.ProblemType != "":
		return c.ProblemType
	case len(c.Labels) == 1:
		return Regression
	}
	return SingleLabel
}

// IgnoreIndex is the label of a token that is not scored.
const IgnoreIndex = -100
