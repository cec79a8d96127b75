package model

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// Batch is documents laid end to end, without padding. Documents never see each other; positions restart in each.
type Batch struct {
	// IDs are the tokens of all documents.
	IDs []int32
	// TokenTypeIDs are the tokens' segments, for models that have them; nil is 0 for all.
	TokenTypeIDs []int32
	// Labels are the head's targets, head.IgnoreIndex for those that are not scored. Language models and token classification
	// have one for each token (a causal model predicts it from the tokens before it, so a document's first is never scored),
	// sequence classification one for each document, question answering two for each document (the first and the last token
	// of the answer). Those of a sequence-to-sequence model are the tokens of the targets.
	// Multiple choice has one for each question, the number of the right document of the question's.
	Labels []int32
	// Choices are the numbers of documents that are the choices of a question, for multiple choice. Empty means one question.
	Choices []int
	// FloatLabels are the targets of multi-label classification (0 or 1) and regression: [documents, outputs].
	FloatLabels []float32
	// Weights are how much each of the Labels of a classification counts: its loss is multiplied by it. Empty is 1 for each.
	Weights []float32
	// CuSeqLens says where documents begin; its last entry is len(IDs). Empty means a single document. TargetCuSeqLens is the
	// same for the Labels of a sequence-to-sequence model.
	CuSeqLens, TargetCuSeqLens []int
	// AttentionLengths is the number of tokens of each document, from its first on, that attention sees; nil is all. The
	// others are padding. It is for comparisons with transformers, whose question answering scores padding too.
	AttentionLengths []int
	// PromptLengths are the numbers of tokens, from the first on, that a prompt takes in each document. Head.ExcludePrompt leaves them out of
	// the pooling; a mean of none is zeros. nil is none.
	PromptLengths []int
}

// Documents makes a batch of documents without labels, and returns the last row of each.
func Documents(docs [][]int32) (b *Batch, last []int) {
	b = &Batch{CuSeqLens: []int{0}}
	for _, d := range docs {
		b.IDs = append(b.IDs, d...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
		last = append(last, len(b.IDs)-1)
	}
	return b, last
}

// Runs cuts items into runs of at most that many tokens; an item with more tokens is a run of its own.
func Runs[T any](items []T, tokens int, size func(T) int) [][]T {
	var runs [][]T
	for from := 0; from < len(items); {
		to, n := from, 0
		for to < len(items) && (to == from || n+size(items[to]) <= tokens) {
			n += size(items[to])
			to++
		}
		runs = append(runs, items[from:to])
		from = to
	}
	return runs
}

// Bounds returns CuSeqLens, or that of a single document.
func (b *Batch) Bounds() []int {
	if len(b.CuSeqLens) == 0 {
		return []int{0, len(b.IDs)}
	}
	return b.CuSeqLens
}

// TargetBounds returns TargetCuSeqLens, or that of a single target.
func (b *Batch) TargetBounds() []int {
	if len(b.TargetCuSeqLens) == 0 {
		return []int{0, len(b.Labels)}
	}
	return b.TargetCuSeqLens
}

// check says what is wrong with a batch for a model of that vocabulary and length.
func (b *Batch) check(s Config) error {
	vocab, positions := s.VocabSize, s.MaxPositionEmbeddings
	if len(b.IDs) == 0 {
		return fmt.Errorf("model: batch without tokens")
	}
	if b.TokenTypeIDs != nil && len(b.TokenTypeIDs) != len(b.IDs) {
		return fmt.Errorf("model: batch has %d tokens and %d types", len(b.IDs), len(b.TokenTypeIDs))
	}
	if len(b.Weights) != 0 && len(b.Weights) != len(b.Labels) {
		return fmt.Errorf("model: batch has %d labels and %d weights", len(b.Labels), len(b.Weights))
	}
	for i, k := range b.TokenTypeIDs {
		if k < 0 || int(k) >= max(s.TypeVocabSize, 1) {
			return fmt.Errorf("model: token %d has type %d; the model has %d", i, k, max(s.TypeVocabSize, 1))
		}
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("model: token %d has id %d; the vocabulary ends at %d", i, id, vocab-1)
		}
	}
	if err := checkBounds("document", b.Bounds(), len(b.IDs), positions); err != nil {
		return err
	}
	for d, n := range b.AttentionLengths {
		if len(b.AttentionLengths) != len(b.Bounds())-1 || n < 1 || n > b.Bounds()[d+1]-b.Bounds()[d] {
			return fmt.Errorf("model: visible tokens %v do not fit document bounds %v", b.AttentionLengths, b.Bounds())
		}
	}
	if n := len(b.PromptLengths); n != 0 && n != len(b.Bounds())-1 || slices.ContainsFunc(b.PromptLengths, func(n int) bool { return n < 0 }) {
		return fmt.Errorf("model: prompts of %v tokens do not fit document bounds %v", b.PromptLengths, b.Bounds())
	}
	if b.TargetCuSeqLens != nil {
		return b.checkTargets(positions)
	}
	return nil
}

// padded says whether attention does not see all tokens.
func (b *Batch) padded() bool {
	for d, n := range b.AttentionLengths {
		if n != b.Bounds()[d+1]-b.Bounds()[d] {
			return true
		}
	}
	return false
}

// checkTargets says what is wrong with the targets of a sequence-to-sequence model.
func (b *Batch) checkTargets(positions int) error {
	if got, want := len(b.TargetBounds()), len(b.Bounds()); got != want {
		return fmt.Errorf("model: %d targets for %d documents", got-1, want-1)
	}
	return checkBounds("target", b.TargetBounds(), len(b.Labels), positions)
}

// checkBounds says why bounds do not divide that many tokens.
func checkBounds(what string, bounds []int, tokens, positions int) error {
	if len(bounds) < 2 {
		return fmt.Errorf("model: %s bounds %v do not divide %d tokens", what, bounds, tokens)
	}
	for d := range len(bounds) - 1 {
		n := bounds[d+1] - bounds[d]
		if n <= 0 || bounds[0] != 0 || bounds[len(bounds)-1] != tokens {
			return fmt.Errorf("model: %s bounds %v do not divide %d tokens", what, bounds, tokens)
		}
		if n > positions {
			return fmt.Errorf("model: %s of %d tokens; max_position_embeddings is %d", what, n, positions)
		}
	}
	return nil
}

// perToken says that there is not a label for every token.
func (b *Batch) perToken() error {
	if len(b.Labels) != len(b.IDs) {
		return fmt.Errorf("model: batch has %d tokens and %d labels", len(b.IDs), len(b.Labels))
	}
	return nil
}

// Scored lists the rows whose next token a causal model is scored on, and the labels of those tokens.
func (b *Batch) Scored() (rows []int, targets []int32) {
	bounds := b.Bounds()
	for d := range len(bounds) - 1 {
		for i := bounds[d]; i+1 < bounds[d+1]; i++ {
			if b.Labels[i+1] != head.IgnoreIndex {
				rows = append(rows, i)
				targets = append(targets, b.Labels[i+1])
			}
		}
	}
	return rows, targets
}
