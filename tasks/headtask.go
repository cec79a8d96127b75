package tasks

import (
	"github.com/spagotune/spagotune/head"
)

// HeadTask is a task for another head than a causal language model's.
type HeadTask interface {
	Task
	// Head decides on the head, keeps it and returns it. Everything that depends on the head comes after it: Encode,
	// Postprocess and ComputeMetrics.
	//
	// trained is the head that the model already has. If it is of the task's kind, it is kept: an error says which
	// label of the data it lacks. The zero Config means that there is none, or that the head has been decided: then
	// Head returns the head of an earlier call, or else a new one, whose labels are read from the data.
	Head(trained head.Config) (head.Config, error)
}

// HeadKinder is a task whose Head may read data. Its kind is known before: whether a model can have such a head need not wait for them.
type HeadKinder interface {
	HeadKind() head.Kind
}

// HeadOf is the head that a task decides on for a model with the head trained. A task that is not a HeadTask is for
// causal language models.
func HeadOf(task Task, trained head.Config) (head.Config, error) {
	if h, ok := task.(HeadTask); ok {
		return h.Head(trained)
	}
	return head.Config{Kind: head.CausalLM}, nil
}

// Encoder is a task that encodes its examples itself.
type Encoder interface {
	// Encode makes the rows of an example, which is mostly one; truncated says that they lack a part of it. The error
	// is ErrNotScored if nothing of the example can be scored, and ErrNoHead where Head must be called first.
	Encode(t *PairEncoder, ex Example) (rows []Features, truncated bool, err error)
}

// Postprocessor is a task whose answers are read from the outputs of the model's head.
type Postprocessor interface {
	HeadTask
	Encoder
	// Postprocess turns the outputs for an example's rows into a prediction. outputs[i] belongs to rows[i]: for
	// sequence classification it is one vector of logits, for multiple choice one for each choice, for feature extraction
	// one vector for each text, and otherwise one vector of logits for each token. There are no rows where Input.Words are
	// given and none has a token. The error is ErrNoHead where Head must be called first.
	Postprocess(t *PairEncoder, ex Example, rows []Features, outputs [][][]float32) (Prediction, error)
}

// Collator is a task whose rows change every time they are trained on, such as by new masks.
type Collator interface {
	// Collate is a row as the seed makes it. The row that is passed stays as it is.
	Collate(t *PairEncoder, row Features, seed uint64) Features
}

// PromptBuilder is a task that takes questions from people: one text, or two. Such an example has no reference.
type PromptBuilder interface {
	HeadTask
	BuildPrompt(text, pair string) (Example, error)
}
