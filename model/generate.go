package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/op"
)

// Generate continues each prompt and returns the new tokens, without the token that ends a text. For a sequence-to-sequence
// model the prompts are the sources, and the targets begin with DecoderInputIDs. The prompts run side by side, and a prefix
// that consecutive prompts share is read once; each prompt gets the tokens that it would get alone.
//
// emit, where not nil, is called with every new token as it comes; with beams it is called when the text is complete. If it
// returns false, that prompt's text ends. When ctx ends, Generate returns what there is and the context's error.
func (m *Model) Generate(ctx context.Context, prompts [][]int32, s GenerationConfig, emit func(prompt int, id int32) bool) ([][]int32, error) {
	g := &generation{m: m, s: s, emit: emit, out: make([][]int32, len(prompts)), cache: m.newCache(len(prompts), true)}
	if err := g.begin(ctx, prompts); err != nil {
		return nil, fmt.Errorf("model: generate: %w", err)
	}
	run := g.run
	if s.NumBeams > 1 {
		run = g.beams
	}
	if err := run(ctx); err != nil {
		if ctx.Err() != nil {
			return g.out, ctx.Err()
		}
		return nil, fmt.Errorf("model: generate: %w", err)
	}
	return g.out, nil
}

// generation is the state of Generate.
type generation struct {
	m      *Model
	s      GenerationConfig
	emit   func(int, int32) bool
	starts [][]int32 // the beginning of each text: the prompt, or DecoderInputIDs
	texts  [][]int32 // each start, with the tokens that have followed
	out    [][]int32
	cache  *Cache
	live   []int // the prompts that still run, in the cache's order
}

// begin checks the prompts and reads the sources of a sequence-to-sequence model.
func (g *generation) begin(ctx context.Context, prompts [][]int32) error {
	if err := g.s.check(g.m); err != nil {
		return err
	}
	for i, p := range prompts {
		if len(p) == 0 {
			return fmt.Errorf("prompt %d has no tokens", i)
		}
		if n := g.m.Config().MaxPositionEmbeddings; len(p) > n {
			return fmt.Errorf("prompt %d has %d tokens; the model takes %d", i, len(p), n)
		}
		g.live = append(g.live, i)
	}
	g.starts = prompts
	if s, ok := g.m.Backbone.(EncoderDecoder); ok {
		start, err := g.s.start(s)
		if err != nil {
			return err
		}
		g.starts = slices.Repeat([][]int32{start}, len(prompts))
		if err := g.encode(ctx, prompts); err != nil {
			return err
		}
	}
	for _, start := range g.starts {
		g.texts = append(g.texts, slices.Clone(start))
	}
	for i, p := range g.starts {
		if n := g.s.MaxLength; n > 0 && g.s.MaxNewTokens == 0 && len(p) >= n {
			return fmt.Errorf("prompt %d has %d tokens; max_length is %d", i, len(p), n)
		}
	}
	return nil
}

// encode reads the sources into the cache.
func (g *generation) encode(ctx context.Context, sources [][]int32) error {
	return inPasses(sources, func(_ int, sources [][]int32) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, _ := Documents(sources)
		return op.Inference(g.s.Adapter, func(p *op.Pass) error { return g.m.Encode(p, b, g.cache) })
	})
}

// run generates the texts token by token.
func (g *generation) run(ctx context.Context) error {
	next, err := g.share(ctx)
	if err != nil {
		return err
	}
	for len(g.live) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		var chosen [][]int32
		var kept []int
		g.renew(next, func(i int) []int32 { return g.texts[g.live[i]] })
		err = g.each(next, func(i int, logits []float32) {
			p := g.live[i]
			g.s.process(logits, g.texts[p], g.room(p))
			id := g.s.choose(logits, uint64(p)<<32|uint64(len(g.out[p])))
			if g.accept(p, id) {
				chosen = append(chosen, []int32{id})
				kept = append(kept, i)
			}
		})
		if err != nil {
			return err
		}
		if len(kept) < len(g.live) {
			g.cache.Reorder(kept)
			live := make([]int, len(kept))
			for i, k := range kept {
				live[i] = g.live[k]
			}
			g.live = live
		}
		next = chosen
	}
	return nil
}

// accept keeps a chosen token of a prompt and says whether that prompt goes on.
func (g *generation) accept(p int, id int32) bool {
	if slices.Contains(g.s.EOSTokenIDs, id) {
		return false
	}
	g.out[p], g.texts[p] = append(g.out[p], id), append(g.texts[p], id)
	if g.emit != nil && !g.emit(p, id) {
		return false
	}
	return len(g.starts[p])+len(g.out[p]) < g.room(p)
}

// room is the most tokens that prompt p and its text may have together.
func (g *generation) room(p int) int { return g.s.room(g.m, len(g.starts[p])) }

// prefillTokens is the most prompt tokens in a pass, unless a single prompt has more.
const prefillTokens = 2048

// inPasses calls f for each run of documents that fits a pass; from is the index of its first.
func inPasses(docs [][]int32, f func(from int, docs [][]int32) error) error {
	from := 0
	for _, run := range Runs(docs, prefillTokens, func(d []int32) int { return len(d) }) {
		if err := f(from, run); err != nil {
			return err
		}
		from += len(run)
	}
	return nil
}

// renew lets documents of the cache that next makes longer than a CacheRenewer's limit be read again; text is all of one.
func (g *generation) renew(next [][]int32, text func(i int) []int32) {
	r, ok := g.m.Backbone.(CacheRenewer)
	if !ok {
		return
	}
	limit := r.CacheLimit()
	for i := range next {
		if past := g.cache.Len(i); past > 0 && past <= limit && past+len(next[i]) > limit {
			g.cache.Crop(i, 0)
			next[i] = text(i)
		}
	}
}

// each reads the next tokens of every document of the cache. It calls f with the index of the document and the logits of the
// token that follows, which f may change.
func (g *generation) each(next [][]int32, f func(i int, logits []float32)) error {
	return inPasses(next, func(from int, docs [][]int32) error {
		b, last := Documents(docs)
		return op.Inference(g.s.Adapter, func(p *op.Pass) error {
			logits, err := g.m.Logits(p, b, last, g.cache.part(from, from+len(docs)))
			if err != nil {
				return err
			}
			for i := range docs {
				row := logits.Row(i)
				if slices.ContainsFunc(row, func(x float32) bool { return x != x || x > math.MaxFloat32 }) {
					return errors.New("the logits hold NaN or infinity: the weights, or the adapter, are out of range")
				}
				f(from+i, row)
			}
			return nil
		})
	})
}
