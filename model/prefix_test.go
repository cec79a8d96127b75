package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

func TestSharing(t *testing.T) {
	of := func(texts ...string) (all [][]int32) {
		for _, s := range texts {
			all = append(all, []int32(strings.ReplaceAll(s, "=", strings.Repeat("=", minShared))))
		}
		return all
	}
	for _, c := range []struct {
		texts     []string
		n, shared int
	}{
		{[]string{"a"}, 1, 0}, {[]string{"a", "b", "c"}, 3, 0}, {[]string{"=a", "=b", "=c"}, 3, minShared}, {[]string{"=ab", "=abc", "=b", "c"}, 3, minShared},
		{[]string{"a", "=b", "=c"}, 1, 0}, {[]string{"=", "=", "="}, 3, 0}, {[]string{"=x", "=", "=x"}, 3, 0}, {[]string{"a", "b", "=c", "=d"}, 2, 0}, {[]string{"===x", "===y", "=z"}, 2, 3 * minShared},
	} {
		if n, shared := SharedPrefix(of(c.texts...)); n != c.n || shared != c.shared {
			t.Errorf("%v: got %d, %d, want %d, %d", c.texts, n, shared, c.n, c.shared)
		}
	}
}

// TestGenerateShares: prompts with a common prefix, among others without, get the logits and texts that each gets alone, with
// greedy and with beam search.
func TestGenerateShares(t *testing.T) {
	m, err := New(with(t, "vocab_size", 64, "max_position_embeddings", 256, "initializer_range", 0.5), Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	ids := func(seed, n int) (all []int32) {
		for i := range n {
			all = append(all, int32((i*i+seed*i+seed)%61))
		}
		return all
	}
	prompts := [][]int32{ids(1, 9)}
	for i := range 4 {
		prompts = append(prompts, append(ids(2, 70), ids(i+3, i+1)...))
	}
	prompts = append(prompts, ids(2, 70), ids(2, 40), ids(4, 50), append(ids(4, 45), 9, 8), append(ids(4, 45), 9, 8))
	if n, shared := SharedPrefix(prompts[1:]); n != 5 || shared != 69 {
		t.Fatalf("%d prompts share %d tokens, want 5 and 69", n, shared)
	}
	g := &generation{m: m, starts: prompts, cache: m.NewCache(len(prompts))}
	rest, err := g.share(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = g.each(rest, func(i int, logits []float32) {
		p := &op.Pass{}
		defer p.Release()
		want, err := m.Logits(p, &Batch{IDs: prompts[i]}, []int{len(prompts[i]) - 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, fmt.Sprintf("prompt %d", i), logits, want.Data, 1e-5, false)
		if g.cache.Len(i) != len(prompts[i]) {
			t.Errorf("prompt %d: %d of %d tokens are read", i, g.cache.Len(i), len(prompts[i]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []GenerationConfig{{MaxNewTokens: 9}, {MaxNewTokens: 7, NumBeams: 3, LengthPenalty: 1}} {
		t.Run(fmt.Sprint(s.NumBeams), func(t *testing.T) {
			got, err := m.Generate(t.Context(), prompts, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range prompts {
				alone, err := m.Generate(t.Context(), [][]int32{p}, s, nil)
				if err != nil || !slices.Equal(got[i], alone[0]) || len(got[i]) == 0 {
					t.Errorf("prompt %d: got %v, alone %v, %v", i, got[i], alone, err)
				}
			}
		})
	}
}
