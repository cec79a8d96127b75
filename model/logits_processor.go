package model

import (
	"math"
	"slices"
)

var never = float32(math.Inf(-1))

// process changes the scores (logits or log-probabilities) of the token that follows ids, as the settings ask; room is the
// most tokens that there may be.
func (s GenerationConfig) process(scores []float32, ids []int32, room int) {
	if p := float32(s.RepetitionPenalty); p != 0 && p != 1 {
		penalize(scores, ids, p)
	}
	forbid := func(id int32) {
		if id >= 0 && int(id) < len(scores) {
			scores[id] = never
		}
	}
	if n := s.NoRepeatNgramSize; n > 0 && len(ids)+1 >= n {
		tail := ids[len(ids)+1-n:]
		for i := 0; i+n <= len(ids); i++ {
			if slices.Equal(ids[i:i+n-1], tail) {
				forbid(ids[i+n-1])
			}
		}
	}
	for _, w := range s.BadWordsIDs {
		n := len(w) - 1
		if n < 0 || n > len(ids) || n == 0 && slices.Contains(s.EOSTokenIDs, w[0]) {
			continue
		}
		if slices.Equal(ids[len(ids)-n:], w[:n]) {
			forbid(w[n])
		}
	}
	if len(ids) < s.MinLength {
		for _, id := range s.EOSTokenIDs {
			forbid(id)
		}
	}
	if len(ids) == 1 && len(s.ForcedBOSTokenID) > 0 {
		force(scores, s.ForcedBOSTokenID)
	}
	if len(ids) == room-1 && len(s.ForcedEOSTokenID) > 0 {
		force(scores, s.ForcedEOSTokenID)
	}
}

// force leaves only ids to choose from.
func force(scores []float32, ids []int32) {
	for i := range scores {
		scores[i] = never
	}
	for _, id := range ids {
		scores[id] = 0
	}
}

// penalize makes the tokens of ids less likely, each of them once.
func penalize(scores []float32, ids []int32, p float32) {
	seen := map[int32]bool{}
	for _, id := range ids {
		if seen[id] || int(id) >= len(scores) {
			continue
		}
		seen[id] = true
		if scores[id] < 0 {
			scores[id] *= p
		} else {
			scores[id] /= p
		}
	}
}
