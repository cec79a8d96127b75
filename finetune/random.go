package finetune

import "math/rand/v2"

// The purposes of random numbers. Each purpose has seeds of its own.
const (
	purposeOrder = 1 + iota
	purposeAdapter
	purposeDropout
	purposeModel
	purposeHead
	purposeCollate
	purposeStream
)

// deriveSeed returns a seed that depends only on the run's seed, a purpose and a counter n, such as the step.
func deriveSeed(seed uint64, purpose, n int) uint64 {
	return rand.New(rand.NewPCG(seed, uint64(purpose)<<48|uint64(n))).Uint64()
}

// batchIndices returns the indices of the rows of a step, counted from 0. An epoch is a random permutation of all rows,
// cut into batches of the given size; its last batch may be smaller.
func batchIndices(seed uint64, rows, size, perEpoch, step int) []int {
	epoch, from := step/perEpoch, step%perEpoch*size
	p := rand.New(rand.NewPCG(deriveSeed(seed, purposeOrder, epoch), 0)).Perm(rows)
	return p[from:min(rows, from+size)]
}

// AdapterSeed returns the seed from which a run with the given seed initializes its adapter.
func AdapterSeed(seed uint64) uint64 { return deriveSeed(seed, purposeAdapter, 0) }
