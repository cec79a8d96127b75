package model

import (
	"github.com/spagotune/spagotune/head"
)

// Numerics of a host.
const (
	// HuggingFace is what config.json says, as transformers computes it.
	HuggingFace = "huggingface"
	// Cybertron is what Cybertron computes whatever the config says: GELU by tanh, norms with 1e-5.
	Cybertron = "cybertron"
)

// Options say how a folder is to be read where that is not what its config.json says.
type Options struct {
	// Head, where its Kind is not "", is the head that the model is to have. One that the folder does not hold is made
	// anew; its labels are recorded in Config.
	Head head.Config
	// Numerics is HuggingFace (or "") or Cybertron.
	Numerics string
	// Seed makes the weights of a new head.
	Seed uint64
}
