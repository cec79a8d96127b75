package infer

import (
	"math/rand/v2"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// Batch concatenates rows into a batch without padding, as the model's head needs them. Types of tokens, which some tokenizers
// give to pairs, are left out for a model that has none.
func Batch(m *model.Model, rows []tasks.Features) *model.Batch {
	b := &model.Batch{CuSeqLens: []int{0}}
	seq2seq := m.Head().Kind == head.Seq2SeqLM
	if seq2seq {
		b.TargetCuSeqLens = []int{0}
	}
	for _, r := range rows {
		if r.PairStart > 0 {
			b.CuSeqLens = append(b.CuSeqLens, len(b.IDs)+r.PairStart)
		}
		for _, start := range r.DocumentStarts {
			b.CuSeqLens = append(b.CuSeqLens, len(b.IDs)+start)
		}
		b.IDs = append(b.IDs, r.IDs...)
		b.Labels = append(b.Labels, r.Labels...)
		b.FloatLabels = append(b.FloatLabels, r.FloatLabels...)
		b.Weights = append(b.Weights, r.Weights...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
		if r.TokenTypeIDs != nil || b.TokenTypeIDs != nil {
			b.TokenTypeIDs = append(b.TokenTypeIDs, make([]int32, len(b.IDs)-len(r.IDs)-len(b.TokenTypeIDs))...)
			b.TokenTypeIDs = append(b.TokenTypeIDs, r.TokenTypeIDs...)
		}
		if m.Head().ExcludePrompt {
			b.PromptLengths = append(b.PromptLengths, r.PromptLength)
			if r.PairStart > 0 {
				b.PromptLengths = append(b.PromptLengths, r.PairPromptLength)
			}
		}
		if m.Head().Kind == head.MultipleChoice {
			b.Choices = append(b.Choices, 1+len(r.DocumentStarts))
		}
		if seq2seq {
			b.TargetCuSeqLens = append(b.TargetCuSeqLens, len(b.Labels))
		}
	}
	if m.Config().TypeVocabSize == 0 {
		b.TokenTypeIDs = nil
	}
	if b.TokenTypeIDs != nil {
		b.TokenTypeIDs = append(b.TokenTypeIDs, make([]int32, len(b.IDs)-len(b.TokenTypeIDs))...)
	}
	return b
}

// MicroBatches cuts a batch into micro-batches of whole rows with at most the given number of tokens; a longer row is a
// micro-batch of its own. A batch for sentence embeddings stays whole, since each embedding is scored against all
// others.
func MicroBatches(m *model.Model, rows []tasks.Features, tokens int) [][]tasks.Features {
	if m.Head().Kind == head.FeatureExtraction {
		return [][]tasks.Features{rows}
	}
	return model.Runs(rows, tokens, tasks.Features.Tokens)
}

// evalPairs is the number of pairs in a batch when a contrastive loss is evaluated.
const evalPairs = 32

// evalBatches cuts rows into batches for evaluation. Pairs come in batches of evalPairs, whatever the batch size in
// training.
func evalBatches(m *model.Model, rows []tasks.Features, tokens int) [][]tasks.Features {
	if m.Head().Kind != head.FeatureExtraction {
		return MicroBatches(m, rows, tokens)
	}
	var out [][]tasks.Features
	for from := 0; from < len(rows); {
		to := min(from+evalPairs, len(rows))
		if to == len(rows)-1 {
			to++ // a batch of a single pair would have no loss
		}
		out = append(out, rows[from:to])
		from = to
	}
	return out
}

// DefaultMicroBatchTokens returns the default size of a micro-batch in tokens, 512 to 1,024. Larger micro-batches pack
// the weights less often and take more memory.
func DefaultMicroBatchTokens(m *model.Model) int {
	const activationBytes = 128 << 20
	return min(max(activationBytes/(4*m.Footprint("", false).Training(false)), 512), 1024)
}

// EvalTokens returns how many tokens run at once if no backward pass follows, given the tokens of a micro-batch in
// training.
func EvalTokens(microBatch int) int { return 4 * microBatch }

// CollateEval collates held-out rows in place, with the same random numbers in every run.
func CollateEval(task tasks.Task, pairs *tasks.PairEncoder, rows []tasks.Features) {
	if c, ok := task.(tasks.Collator); ok {
		for i, row := range rows {
			rows[i] = c.Collate(pairs, row, rand.New(rand.NewPCG(1, uint64(i))).Uint64())
		}
	}
}
