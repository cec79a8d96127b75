package model

import (
	"context"

	"github.com/spagotune/spagotune/op"
)

// minShared is the fewest common tokens for which a prefix is computed once.
const minShared = 32

// SharedPrefix finds the number n of the first prompts that go together, and the length of the prefix that they share, 0 where
// it is too short to matter. There is at least one prompt, and at least the last token of each is not part of the prefix.
func SharedPrefix(prompts [][]int32) (n, shared int) {
	if len(prompts) == 1 {
		return 1, 0
	}
	if shared = common(prompts[0], prompts[1]); shared < minShared {
		for n = 2; n < len(prompts) && common(prompts[n-1], prompts[n]) < minShared; n++ {
		}
		if n < len(prompts) { // the last one shares a prefix with the next
			n--
		}
		return n, 0
	}
	for n = 2; n < len(prompts); n++ {
		same := common(prompts[0], prompts[n])
		if same < minShared || same < shared*3/4 {
			break
		}
		shared = min(shared, same)
	}
	return n, shared
}

// common is the length of the prefix that two prompts share; the last token of each is not counted.
func common(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b))-1 && a[n] == b[n] {
		n++
	}
	return n
}

// share reads each prefix that consecutive prompts share, once for all of them, and returns the rest of each prompt.
func (g *generation) share(ctx context.Context) (rest [][]int32, err error) {
	if _, ok := g.m.Backbone.(EncoderDecoder); ok { // targets begin with few tokens
		return append(rest, g.starts...), nil
	}
	for len(rest) < len(g.starts) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := len(rest)
		n, shared := SharedPrefix(g.starts[from:])
		if shared > 0 {
			if err := g.read(g.starts[from][:shared], from, n); err != nil {
				return nil, err
			}
		}
		for _, p := range g.starts[from : from+n] {
			rest = append(rest, p[shared:])
		}
	}
	return rest, nil
}

// read reads tokens into the cache of n documents.
func (g *generation) read(ids []int32, from, n int) error {
	origin := g.m.newCache(1, true)
	err := op.Inference(g.s.Adapter, func(p *op.Pass) error {
		_, err := g.m.Logits(p, &Batch{IDs: ids}, []int{len(ids) - 1}, origin)
		return err
	})
	if err != nil {
		return err
	}
	for i, l := range origin.Repeat(0, n).layers {
		copy(g.cache.layers[i][from:], l)
	}
	return nil
}
