package model

import "fmt"

// Ignore is the label of a token that is not scored.
const Ignore = -100

// Batch is documents laid end to end, without padding. Documents never see each other; positions restart in each.
type Batch struct {
	// IDs are the tokens of all documents.
	IDs []int32
	// Labels has one entry a token: its own id where it is scored, Ignore where not. A document's first token is never
	// scored by a causal model.
	Labels []int32
	// Bounds are where documents begin; the last entry is len(IDs). Empty means a single document.
	Bounds []int
}

// bounds returns Bounds, or those of a single document.
func (b *Batch) bounds() []int {
	if len(b.Bounds) == 0 {
		return []int{0, len(b.IDs)}
	}
	return b.Bounds
}

// check says what is wrong with a batch for a model of that vocabulary and length.
func (b *Batch) check(vocab, positions int) error {
	if len(b.IDs) == 0 {
		return fmt.Errorf("model: batch without tokens")
	}
	if b.Labels != nil && len(b.Labels) != len(b.IDs) {
		return fmt.Errorf("model: batch has %d tokens and %d labels", len(b.IDs), len(b.Labels))
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("model: token %d has id %d; the vocabulary ends at %d", i, id, vocab-1)
		}
	}
	for i, id := range b.Labels {
		if id != Ignore && (id < 0 || int(id) >= vocab) {
			return fmt.Errorf("model: token %d has label %d; the vocabulary ends at %d", i, id, vocab-1)
		}
	}
	bounds := b.bounds()
	for d := range len(bounds) - 1 {
		n := bounds[d+1] - bounds[d]
		if n <= 0 || bounds[0] != 0 || bounds[len(bounds)-1] != len(b.IDs) {
			return fmt.Errorf("model: document bounds %v do not divide %d tokens", bounds, len(b.IDs))
		}
		if n > positions {
			return fmt.Errorf("model: document of %d tokens; max_position_embeddings is %d", n, positions)
		}
	}
	return nil
}

// Scored lists the rows whose next token is scored, and those tokens.
func (b *Batch) Scored() (rows []int, targets []int32) {
	bounds := b.bounds()
	for d := range len(bounds) - 1 {
		for i := bounds[d]; i+1 < bounds[d+1]; i++ {
			if b.Labels[i+1] != Ignore {
				rows = append(rows, i)
				targets = append(targets, b.Labels[i+1])
			}
		}
	}
	return rows, targets
}
