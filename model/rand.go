package model

import "math/rand/v2"

// newRand is the generator of one tensor or token: the same for the same seed and number, whatever was drawn before.
func newRand(seed, number uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, number)) }
