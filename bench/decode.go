package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// DecodeResult is what Decode measured.
type DecodeResult struct {
	// PrefillTokensPerSecond counts the tokens of the prompts, DecodeTokensPerSecond the new tokens of all prompts from
	// the second one on.
	PrefillTokensPerSecond float64 `json:"prefill_tokens_per_second"`
	DecodeTokensPerSecond  float64 `json:"decode_tokens_per_second"`
	// MemoryBandwidth is the memory read bandwidth in bytes per second: the median of measurements before and after the
	// run. BandwidthUtilization is the weight bytes read per second divided by it; a step reads each matrix once for
	// all prompts.
	MemoryBandwidth      float64 `json:"stream_bytes_per_second"`
	BandwidthUtilization float64 `json:"stream_share"`

	Prompts   int `json:"prompts"`
	Tokens    int `json:"tokens"`
	NewTokens int `json:"new_tokens"`
	Threads   int `json:"threads"`
}

// Decode measures greedy generation of newTokens tokens for each of several prompts at once. A prompt has the given
// number of random tokens.
func Decode(ctx context.Context, m *model.Model, prompts, tokens, newTokens int) (*DecodeResult, error) {
	return DecodeWith(ctx, m, "", prompts, tokens, newTokens)
}

// DecodeWith is Decode with an adapter that is attached to the model, by its name. It is not merged.
func DecodeWith(ctx context.Context, m *model.Model, adapter string, prompts, tokens, newTokens int) (*DecodeResult, error) {
	switch maxLength := m.Config().MaxPositionEmbeddings; {
	case prompts < 1:
		return nil, fmt.Errorf("bench: prompts is %d; want 1 or more", prompts)
	case newTokens < 2 || tokens < 1 || tokens+newTokens > maxLength:
		return nil, fmt.Errorf("bench: a prompt of %d tokens and %d new ones; want 1 or more and 2 or more, together up to %d, the model's length", tokens, newTokens, maxLength)
	}
	if _, err := countRows("passes", 0, prompts, tokens+newTokens); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := &DecodeResult{Prompts: prompts, Tokens: prompts * tokens, NewTokens: prompts * newTokens, Threads: tensor.Threads()}
	var ids [][]int32
	for _, row := range randomRows(m, prompts, tokens) {
		ids = append(ids, row.IDs)
	}
	bandwidths := memoryBandwidths()
	began, first := time.Now(), time.Time{}
	_, err := m.Generate(ctx, ids, model.GenerationConfig{MaxNewTokens: newTokens, Adapter: adapter}, func(prompt int, _ int32) bool {
		if prompt == prompts-1 && first.IsZero() {
			first = time.Now()
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	decode := time.Since(first).Seconds()
	r.PrefillTokensPerSecond = float64(r.Tokens) / first.Sub(began).Seconds()
	r.DecodeTokensPerSecond = float64(prompts*(newTokens-1)) / decode
	r.MemoryBandwidth = median(append(bandwidths, memoryBandwidths()...))
	r.BandwidthUtilization = float64(m.LinearBytes()) * float64(newTokens-1) / decode / r.MemoryBandwidth
	return r, nil
}

// memoryBandwidths measures several times how many bytes per second all threads together read from memory. They read
// 256 MiB, which no cache holds.
func memoryBandwidths() []float64 {
	data := make([]float32, 64<<20)
	for i := range data {
		data[i] = 1
	}
	const chunk = 1 << 18
	var bandwidths []float64
	for range 8 {
		began := time.Now()
		tensor.Parallel(len(data)/chunk, func(i int) { vec.Max(data[i*chunk : (i+1)*chunk]) })
		bandwidths = append(bandwidths, float64(4*len(data))/time.Since(began).Seconds())
	}
	return bandwidths
}
