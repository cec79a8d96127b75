package finetune

import (
	"context"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// ForwardResult is what BenchForward measured.
type ForwardResult struct {
	// TokensPerSecond is by the median of the passes.
	TokensPerSecond float64 `json:"tokens_per_second"`
	PeakBytes       int     `json:"peak_bytes"`
	Batch           int     `json:"batch"`
	Tokens          int     `json:"tokens"`
	Passes          int     `json:"passes"`
	Threads         int     `json:"threads"`
}

// BenchForward measures passes without gradients up to the head's outputs, over batches of rows of so many random tokens.
func BenchForward(ctx context.Context, m *model.Model, batch, tokens, passes int) (*ForwardResult, error) {
	if batch < 1 || passes < 1 || tokens < 1 || tokens > m.Config().MaxPositionEmbeddings {
		return nil, fmt.Errorf("bench: %d passes of %d rows of %d tokens; want 1 or more each, and up to %d tokens", passes, batch, tokens, m.Config().MaxPositionEmbeddings)
	}
	rows := randomRows(m, batch*(passes+1), tokens)
	for i := range rows {
		rows[i].PairStart = 0
	}
	t := &Trainer{Model: m}
	var seconds []float64
	for i := range passes + 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := forward(m, t.batch(rows[i*batch:(i+1)*batch])); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		if i > 0 {
			seconds = append(seconds, time.Since(began).Seconds())
		}
	}
	return &ForwardResult{TokensPerSecond: float64(batch*tokens) / median(seconds), PeakBytes: peakMemory(),
		Batch: batch, Tokens: tokens, Passes: passes, Threads: tensor.Threads()}, nil
}

func forward(m *model.Model, b *model.Batch) error {
	tape := &op.Pass{}
	defer tape.Release()
	_, err := m.Logits(tape, b, nil, nil)
	return err
}

// BenchModel is a model to be measured: one without a head gets one that tells two classes apart.
func BenchModel(name string) (*Session, error) {
	dir, err := ModelDir(name)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(dir)
	if err == nil && m.Head().Kind == head.FeatureExtraction {
		_ = m.Close()
		m, err = model.LoadAs(dir, model.Options{Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"a", "b"}}})
	}
	if err != nil {
		return nil, err
	}
	return &Session{Model: m}, nil
}
