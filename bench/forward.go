package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// ForwardResult is what Forward measured.
type ForwardResult struct {
	// TokensPerSecond is that of the pass with the median time.
	TokensPerSecond float64 `json:"tokens_per_second"`
	PeakBytes       int     `json:"peak_bytes"`
	Batch           int     `json:"batch"`
	Tokens          int     `json:"tokens"`
	Passes          int     `json:"passes"`
	Threads         int     `json:"threads"`
}

// Forward measures forward passes without gradients, including the head. Every pass takes a batch of rows with the
// given number of random tokens.
func Forward(ctx context.Context, m *model.Model, batch, tokens, passes int) (*ForwardResult, error) {
	if batch < 1 || passes < 1 || tokens < 1 || tokens > m.Config().MaxPositionEmbeddings {
		return nil, fmt.Errorf("bench: %d passes of %d rows of %d tokens; want 1 or more each, and up to %d tokens", passes, batch, tokens, m.Config().MaxPositionEmbeddings)
	}
	n, err := countRows("passes", passes, batch, tokens)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	rows := randomRows(m, n, tokens)
	for i := range rows {
		rows[i].PairStart = 0
	}
	var seconds []float64
	for i := range passes + 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := forward(m, infer.Batch(m, rows[i*batch:(i+1)*batch])); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		if i > 0 {
			seconds = append(seconds, time.Since(began).Seconds())
		}
	}
	return &ForwardResult{TokensPerSecond: float64(batch*tokens) / median(seconds), PeakBytes: process.PeakMemory(),
		Batch: batch, Tokens: tokens, Passes: passes, Threads: tensor.Threads()}, nil
}

// forward runs one pass.
func forward(m *model.Model, b *model.Batch) error {
	return op.Inference("", func(p *op.Pass) error {
		_, err := m.Logits(p, b, nil, nil)
		return err
	})
}
