package model

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spagotune/spagotune/internal/op"
)

// Sampling says how tokens are chosen and when generation ends. The zero value is greedy, up to the model's length.
type Sampling struct {
	// MaxNewTokens is the most tokens to make; 0 is up to the model's length.
	MaxNewTokens int
	// Temperature divides the logits before sampling; 0 takes the most likely token.
	Temperature float64
	// TopK keeps the k most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the most likely tokens that together reach this probability; 0 or 1 keeps all.
	TopP float64
	// Stop are tokens that end the text; they are not part of it.
	Stop []int32
	// Seed makes the samples.
	Seed uint64
	// Adapter names the adapter to apply; "" is the base alone.
	Adapter string
}

// check says what is wrong with the settings.
func (s Sampling) check() error {
	switch {
	case s.Temperature < 0:
		return fmt.Errorf("temperature is %g; want 0 or more", s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("top_k is %d; want 0 or more", s.TopK)
	case s.TopP < 0 || s.TopP > 1:
		return fmt.Errorf("top_p is %g; want 0 to 1", s.TopP)
	case s.MaxNewTokens < 0:
		return fmt.Errorf("max_new_tokens is %d; want 0 or more", s.MaxNewTokens)
	}
	return nil
}

// StopTokens are the eos_token_id of generation_config.json, or else of config.json.
func (m *Model) StopTokens() ([]int32, error) {
	raw := []byte(m.Config)
	if m.Dir != "" {
		g, err := os.ReadFile(filepath.Join(m.Dir, "generation_config.json"))
		if err == nil {
			raw = g
		} else if !os.IsNotExist(err) {
			return nil, fmt.Errorf("model: %w", err)
		}
	}
	var c struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("model: generation_config.json: %w", err)
	}
	if len(c.EOS) == 0 || string(c.EOS) == "null" {
		return nil, nil
	}
	var one int32
	if json.Unmarshal(c.EOS, &one) == nil {
		return []int32{one}, nil
	}
	var many []int32
	if err := json.Unmarshal(c.EOS, &many); err != nil {
		return nil, fmt.Errorf("model: generation_config.json: eos_token_id is %s; want a number or a list of them", c.EOS)
	}
	return many, nil
}

// Generate continues each prompt and returns the new tokens, without the stop token. The prompts run side by side;
// each gets the tokens that it would get alone. emit, where not nil, is called with every new token as it comes; when it
// returns false that prompt ends.
func (m *Model) Generate(ctx context.Context, prompts [][]int32, s Sampling, emit func(prompt int, id int32) bool) ([][]int32, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("model: generate: %w", err)
	}
	g := &generation{m: m, s: s, emit: emit, out: make([][]int32, len(prompts)), cache: m.NewCache(len(prompts))}
	next := make([][]int32, len(prompts))
	for i, p := range prompts {
		if len(p) == 0 {
			return nil, fmt.Errorf("model: generate: prompt %d has no tokens", i)
		}
		if len(p) > m.Sizes().Positions {
			return nil, fmt.Errorf("model: generate: prompt %d has %d tokens; the model takes %d", i, len(p), m.Sizes().Positions)
		}
		next[i] = p
		g.live = append(g.live, i)
	}
	for len(g.live) > 0 {
		if err := ctx.Err(); err != nil {
			return g.out, err
		}
		var err error
		if next, err = g.step(next); err != nil {
			return nil, fmt.Errorf("model: generate: %w", err)
		}
	}
	return g.out, nil
}

// generation is the state of Generate; live are the prompts that still run, in the cache's order.
type generation struct {
	m     *Model
	s     Sampling
	emit  func(int, int32) bool
	out   [][]int32
	cache *Cache
	live  []int
}

// prefillTokens is about how many prompt tokens one pass takes.
const prefillTokens = 2048

// step feeds the next tokens of every live prompt and returns the ones that they chose.
func (g *generation) step(next [][]int32) ([][]int32, error) {
	var chosen [][]int32
	var kept []int
	for from := 0; from < len(next); {
		to, tokens := from, 0
		for to < len(next) && (to == from || tokens+len(next[to]) <= prefillTokens) {
			tokens += len(next[to])
			to++
		}
		ids, err := g.pass(next[from:to], from)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if g.accept(from+i, id) {
				chosen = append(chosen, []int32{id})
				kept = append(kept, from+i)
			}
		}
		from = to
	}
	if len(kept) < len(g.live) {
		g.cache.Keep(kept)
		live := make([]int, len(kept))
		for i, k := range kept {
			live[i] = g.live[k]
		}
		g.live = live
	}
	return chosen, nil
}

// pass runs documents at, at+1, … of the cache and returns a token for each.
func (g *generation) pass(docs [][]int32, at int) ([]int32, error) {
	b := &Batch{Bounds: []int{0}}
	var last []int
	part := &Cache{layers: make([][]*op.KV, len(g.cache.layers))}
	for i, l := range g.cache.layers {
		part.layers[i] = l[at : at+len(docs)]
	}
	for _, d := range docs {
		b.IDs = append(b.IDs, d...)
		b.Bounds = append(b.Bounds, len(b.IDs))
		last = append(last, len(b.IDs)-1)
	}
	t := op.NewTape(false)
	t.Adapter = g.s.Adapter
	defer t.Release()
	logits, err := g.m.Logits(t, b, last, part)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, len(docs))
	for i := range docs {
		p := g.live[at+i]
		ids[i] = g.s.choose(logits.Row(i), uint64(p)<<32|uint64(len(g.out[p])))
	}
	return ids, nil
}

// accept keeps a chosen token of the prompt at place i of the cache and says whether that prompt goes on.
func (g *generation) accept(i int, id int32) bool {
	p := g.live[i]
	if slices.Contains(g.s.Stop, id) {
		return false
	}
	g.out[p] = append(g.out[p], id)
	if g.emit != nil && !g.emit(p, id) {
		return false
	}
	if g.s.MaxNewTokens > 0 && len(g.out[p]) >= g.s.MaxNewTokens {
		return false
	}
	return g.cache.Len(i) < g.m.Sizes().Positions
}
