package model

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Config are what callers need to know of a host.
type Config struct {
	VocabSize, MaxPositionEmbeddings, NumHiddenLayers, HiddenSize int
	// TypeVocabSize is how many segments a token may be of; 0 is one.
	TypeVocabSize int
}

// Backbone is a family's model: structs tagged with Hugging Face names, and how they compute.
type Backbone interface {
	nn.Model
	Config() Config
	// Forward returns the last hidden states, [tokens, hidden]; of a sequence-to-sequence model those of the decoder, one a
	// label. With a cache the batch continues the cached documents. The batch has been checked.
	Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor
}

// NumericsSetter is implemented by a backbone that can compute as Cybertron does.
type NumericsSetter interface {
	// SetNumerics chooses HuggingFace ("" too) or Cybertron.
	SetNumerics(name string) error
}

// Architecture is a registered kind of host.
type Architecture struct {
	// Class is what Hugging Face's class names begin with, such as "Llama"; Classes are names that do not follow the rule.
	Class   string
	Classes map[head.Kind]string
	// Prefix is what the names of a headless checkpoint lack, such as "bert."; a headless host's weights have no prefix.
	Prefix string
	// Kind is the head where config.json names no architecture.
	Kind head.Kind
	// New makes a host without weights. It refuses kinds of heads that the family has not.
	New func(config []byte, want head.Config) (Backbone, *Head, error)
}

var architectures = map[string]Architecture{}

// Register makes a family known by its config's model_type; its file's init calls it.
func Register(modelType string, f Architecture) {
	if _, ok := architectures[modelType]; ok {
		panic("model: " + modelType + " is registered twice")
	}
	architectures[modelType] = f
}

// Architectures lists the registered model types.
func Architectures() []string {
	var names []string
	for n := range architectures {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
