package model

import (
	"github.com/spagotune/spagotune/head"
)

// The numerics of a model.
const (
	// HuggingFace computes what config.json says, as transformers does.
	HuggingFace = "huggingface"
	// Cybertron computes as Cybertron does, whatever config.json says: GELU by tanh, norms with the constant 1e-5.
	Cybertron = "cybertron"
)

// Options change what a folder's config.json says. The zero value changes nothing.
type Options struct {
	// Head, where its Kind is not "", is the head that the model gets. If the folder does not have it, its weights are random.
	Head head.Config
	// VocabSize is how many tokens the model is to have, where that is not 0 and not the folder's number, as after
	// transformers' resize_token_embeddings. Further rows of the embeddings and of an LM head are the mean of the others; see
	// Model.PaddedRows.
	VocabSize int
	// Numerics is HuggingFace (or "") or Cybertron.
	Numerics string
	// Seed decides random weights.
	Seed uint64
	// BF16 lets New store the matrices in bfloat16, in half the memory of float32. Vectors are float32.
	BF16 bool
}

// inBF16 says whether New stores a weight in bfloat16.
func (o Options) inBF16(w *Weight) bool { return o.BF16 && len(w.Shape) == 2 }
