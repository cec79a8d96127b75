package infer

import (
	"math/rand/v2"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// Batch lays rows end to end, as the model's head wants them.
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
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
		if r.TokenTypeIDs != nil || b.TokenTypeIDs != nil {
			b.TokenTypeIDs = append(b.TokenTypeIDs, make([]int32, len(b.IDs)-len(r.IDs)-len(b.TokenTypeIDs))...)
			b.TokenTypeIDs = append(b.TokenTypeIDs, r.TokenTypeIDs...)
		}
		if seq2seq {
			b.TargetCuSeqLens = append(b.TargetCuSeqLens, len(b.Labels))
		}
	}
	if b.TokenTypeIDs != nil {
		b.TokenTypeIDs = append(b.TokenTypeIDs, make([]int32, len(b.IDs)-len(b.TokenTypeIDs))...)
	}
	return b
}

// MicroBatches cuts a batch of rows into runs of whole rows with about as many tokens as asked for, at least one row each.
// Sentence embeddings are scored against all others of their batch: there it stays whole.
func MicroBatches(m *model.Model, rows []tasks.Features, tokens int) [][]tasks.Features {
	if m.Head().Kind == head.FeatureExtraction {
		return [][]tasks.Features{rows}
	}
	return model.Runs(rows, tokens, tasks.Features.Tokens)
}

// evalPairs is how many pairs are told apart where the held-out loss is taken.
const evalPairs = 32

// evalBatches cuts rows that are evaluated; pairs come by a fixed number, whatever the training's batch is.
func evalBatches(m *model.Model, rows []tasks.Features, tokens int) [][]tasks.Features {
	if m.Head().Kind != head.FeatureExtraction {
		return MicroBatches(m, rows, tokens)
	}
	var out [][]tasks.Features
	for from := 0; from < len(rows); {
		to := min(from+evalPairs, len(rows))
		if to == len(rows)-1 {
			to++ // none is left alone
		}
		out = append(out, rows[from:to])
		from = to
	}
	return out
}

// DefaultMicroBatchTokens is how many tokens a micro-batch has by default: larger ones pack a weight less often, and take more
// memory.
func DefaultMicroBatchTokens(m *model.Model) int {
	const room = 128 << 20 // bytes of activations
	return min(max(room/(4*m.Footprint("").Training(false)), 512), 1024)
}

// EvalTokens is how many tokens run at once where no backward pass follows, if a micro-batch of the training has that many.
func EvalTokens(microBatch int) int { return 4 * microBatch }

// CollateEval draws held-out rows once for all, the same for every run.
func CollateEval(task tasks.Task, texts *tasks.PairEncoder, rows []tasks.Features) {
	if d, ok := task.(tasks.Collator); ok {
		for i, row := range rows {
			rows[i] = d.Collate(texts, row, rand.New(rand.NewPCG(1, uint64(i))).Uint64())
		}
	}
}
