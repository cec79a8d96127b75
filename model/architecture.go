package model

import (
	"maps"
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Config has the sizes of a backbone that its callers need.
type Config struct {
	VocabSize, MaxPositionEmbeddings, NumHiddenLayers, HiddenSize int
	// TypeVocabSize is the number of token types (segments); 0, for a backbone without them, counts as 1.
	TypeVocabSize int
	// Dropout and AttentionDropout are the rates that config.json names for hidden states and for attention's probabilities.
	Dropout, AttentionDropout float64
}

// Backbone is a model without its head: structs tagged with Hugging Face names, and how they compute.
type Backbone interface {
	nn.Model
	Config() Config
	// Forward returns the last hidden states, [tokens, hidden]; a sequence-to-sequence model returns the decoder's, one for
	// each label. With a cache the batch continues the cached documents. The batch has been checked.
	Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor
}

// NumericsSetter is implemented by a backbone that can compute as Cybertron does.
type NumericsSetter interface {
	// SetNumerics chooses HuggingFace ("" too) or Cybertron.
	SetNumerics(name string) error
}

// CacheRenewer is implemented by a backbone that reads a text again as a whole when it has grown beyond a number of tokens
// while it is generated, since longer texts have other rotary positions.
type CacheRenewer interface {
	// CacheLimit is that number.
	CacheLimit() int
}

// Architecture builds backbones from a config.json.
type Architecture struct {
	// Class begins Hugging Face's class names, such as "Llama"; Classes are class names that do not follow the rule.
	Class   string
	Classes map[head.Kind]string
	// Prefix begins the names of the backbone's weights, such as "bert.", except in checkpoints without a head. Prefixes are those
	// of classes that do not follow the rule.
	Prefix   string
	Prefixes map[head.Kind]string
	// Stored says in which tensors of a checkpoint a weight lies, where that is not one of its name; it returns nil for others.
	Stored func(name string) []StoredPart
	// CopiedThrough begins the names of tensors that the backbone does not have, such as those for images: they are saved as they
	// were read.
	CopiedThrough []string
	// Elsewhere says whether a tensor of a checkpoint belongs to a part of the architecture that a model with a head of that kind
	// does not have, where Prefix does not tell; nil says no.
	Elsewhere func(k head.Kind, tensor string) bool
	// Untie makes the keys of a config.json those of a model whose tied weights have come to differ; nil sets
	// tie_word_embeddings to false.
	Untie func(config map[string]any)
	// Kind is the head where config.json names no class.
	Kind head.Kind
	// New declares a backbone and its head, without values. The error for a head that the architecture does not have is
	// ErrUnsupported.
	New func(config *ConfigFile, want head.Config) (Backbone, *Head, error)
}

// prefix is the one with a head of that kind.
func (f Architecture) prefix(k head.Kind) string {
	if p, ok := f.Prefixes[k]; ok {
		return p
	}
	return f.Prefix
}

// prefixes are all that there are.
func (f Architecture) prefixes() []string {
	all := append([]string{f.Prefix}, slices.Sorted(maps.Values(f.Prefixes))...)
	return slices.Compact(all)
}

var architectures = map[string]Architecture{}

// Register makes an architecture known under a model_type. The init function of its file calls it; it panics if the
// model_type is taken.
func Register(modelType string, a Architecture) {
	if _, ok := architectures[modelType]; ok {
		panic("model: " + modelType + " is registered twice")
	}
	architectures[modelType] = a
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
