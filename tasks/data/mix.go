package data

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// Mix puts together the groups, one for each source. Without weights it lays them end to end. With weights it takes
// each group by its source's weight and shuffles all; the seed decides what a fraction takes, and the order. A weight that takes nothing
// of a group is an error.
func Mix[T any](groups [][]T, sources Sources, seed uint64) ([]T, error) {
	var all []T
	for i, g := range groups {
		w := sources[i].Weight
		if w == 0 {
			w = 1
		}
		if len(g) > 0 && math.Round(w*float64(len(g))) < 1 {
			return nil, fmt.Errorf("%s: weight %g takes none of its records, which are %d; want %.2g or more", sources[i].Path, w, len(g), 1/float64(len(g)))
		}
		for ; w >= 1; w-- {
			all = append(all, g...)
		}
		if n := int(math.Round(w * float64(len(g)))); n > 0 {
			for _, j := range Permutation(len(g), seed, uint64(i)+1)[:n] {
				all = append(all, g[j])
			}
		}
	}
	if !sources.Weighted() {
		return all, nil
	}
	out := make([]T, len(all))
	for i, j := range Permutation(len(all), seed, 0) {
		out[i] = all[j]
	}
	return out, nil
}

// Permutation is a random order of 0 to n-1. It depends on n, the seed and the purpose alone.
func Permutation(n int, seed, purpose uint64) []int {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], purpose)
	copy(key[16:], "order of records")
	return rand.New(rand.NewChaCha8(key)).Perm(n)
}
