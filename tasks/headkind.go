package tasks

// The kinds of heads that tasks want, by the names that package model has for them.
const (
	CausalLM               = "causal-lm"
	MaskedLM               = "masked-lm"
	Seq2SeqLM              = "seq2seq-lm"
	SequenceClassification = "sequence-classification"
	TokenClassification    = "token-classification"
	QuestionAnswering      = "question-answering"
	FeatureExtraction      = "embedding"
)

// The problems of sequence classification, as config.json's problem_type has them.
const (
	SingleLabel = "single_label_classification"
	MultiLabel  = "multi_label_classification"
	Regression  = "regression"
)

// Config is what stands on the model that a task is for.
type Config struct {
	Kind string `json:"kind"`
	// Labels are the names of the classes, or for regression of the values, in the order of their ids.
	Labels []string `json:"labels,omitempty"`
	// ProblemType is what sequence classification is for.
	ProblemType string `json:"problem_type,omitempty"`
}

// IgnoreIndex is the label of a token that is not scored, as Hugging Face has it.
const IgnoreIndex = -100
