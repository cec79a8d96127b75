package finetune

import "math/rand/v2"

// Purposes of randomness: each has its own stream of the seed.
const (
	purposeOrder = 1 + iota
	purposeAdapter
	purposeDropout
	purposeModel
	purposeHead
	purposeCollate
)

// deriveSeed returns a number that depends on the seed, the purpose and a count, and nothing else.
func deriveSeed(seed uint64, purpose, n int) uint64 {
	return rand.New(rand.NewPCG(seed, uint64(purpose)<<48|uint64(n))).Uint64()
}

// batchIndices lists the rows of a step (from 0): every epoch is a permutation of all rows, cut in windows; the last may be
// short.
func batchIndices(seed uint64, rows, size, perEpoch, step int) []int {
	epoch, at := step/perEpoch, step%perEpoch*size
	p := rand.New(rand.NewPCG(deriveSeed(seed, purposeOrder, epoch), 0)).Perm(rows)
	return p[at:min(rows, at+size)]
}

// AdapterSeed is what a run with a seed draws its adapter with.
func AdapterSeed(seed uint64) uint64 { return deriveSeed(seed, purposeAdapter, 0) }
