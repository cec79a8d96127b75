package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/op"
)

const windowed = `{"vocab_size": 50, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
	"head_dim": 6, "max_position_embeddings": 400, "initializer_range": 0.2, "pad_token_id": 0, "sliding_window": 5, `

// windowModels are configs with sliding windows, or with other layers that forget, and how many of four layers do.
var windowModels = map[string]struct {
	more  string
	layer int
}{
	"mistral":     {`"model_type": "mistral"`, 4},
	"qwen2":       {`"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 1`, 3},
	"phi3":        {`"model_type": "phi3"`, 4},
	"starcoder2":  {`"model_type": "starcoder2"`, 4},
	"gemma2":      {`"model_type": "gemma2", "query_pre_attn_scalar": 6`, 2},
	"gemma3":      {`"model_type": "gemma3_text", "query_pre_attn_scalar": 6, "sliding_window_pattern": 2`, 2},
	"cohere2":     {`"model_type": "cohere2", "sliding_window_pattern": 4`, 3},
	"olmo3":       {`"model_type": "olmo3"`, 3},
	"exaone4":     {`"model_type": "exaone4", "sliding_window_pattern": 4`, 3},
	"gpt_oss":     {`"model_type": "gpt_oss", "num_local_experts": 4, "num_experts_per_tok": 2`, 2},
	"ministral3":  {`"model_type": "ministral3", "rope_parameters": {"rope_type": "yarn", "rope_theta": 100, "factor": 4, "original_max_position_embeddings": 8, "llama_4_scaling_beta": 0.1}`, 4},
	"no window":   {`"model_type": "mistral", "sliding_window": null`, 0},
	"gated delta": {`"model_type": "qwen3_5_text", "sliding_window": null, "full_attention_interval": 2, "partial_rotary_factor": 1, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 12, "linear_value_head_dim": 6`, 2},
}

// TestZeroWindows: a window of no tokens, or no interval between layers, is refused where it counts.
func TestZeroWindows(t *testing.T) {
	for name, tt := range windowModels {
		if _, err := New([]byte(windowed+tt.more+`, "sliding_window": 0}`), Options{}); (err != nil && strings.Contains(err.Error(), "sliding_window is 0")) != (name != "gated delta") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, tt := range [][2]string{{"gemma3_text", "sliding_window_pattern"}, {"cohere2", "sliding_window_pattern"}, {"exaone4", "sliding_window_pattern"}, {"smollm3", "no_rope_layer_interval"}} {
		_, err := New([]byte(windowed+fmt.Sprintf(`"model_type": %q, %q: 0}`, tt[0], tt[1])), Options{})
		if err == nil || !strings.Contains(err.Error(), tt[1]+" is 0") {
			t.Errorf("%s: %v, want that %s is 0", tt[0], err, tt[1])
		}
	}
	if _, err := New([]byte(windowed+`"model_type": "smollm3", "sliding_window": 0}`), Options{}); err != nil {
		t.Error("smollm3 without use_sliding_window:", err)
	}
}

// TestWindowCache generates texts far longer than the window, with a bounded cache and with one that keeps all: the logits have
// the same bits, and the layers with windows keep few tokens.
func TestWindowCache(t *testing.T) {
	for name, tt := range windowModels {
		t.Run(name, func(t *testing.T) {
			m, err := New([]byte(windowed+tt.more+"}"), Options{Seed: 7})
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(3, 4))
			text := func(n int) (ids []int32) {
				for range n {
					ids = append(ids, int32(rng.IntN(50)))
				}
				return ids
			}
			bounded, whole := m.newCache(2, true), m.NewCache(2)
			step := func(docs ...[]int32) {
				t.Helper()
				got, want := stepLogits(t, m, bounded, docs), stepLogits(t, m, whole, docs)
				if !slices.Equal(got, want) {
					t.Fatalf("after %d and %d tokens the logits differ", whole.Len(0), whole.Len(1))
				}
			}
			step(text(3), text(130))
			for i := range 40 {
				step(text(1+i%4), text(1))
			}
			bounded.Reorder([]int{1, 1})
			whole.Reorder([]int{1, 1})
			step(text(1), text(2))
			bounded, whole = bounded.Repeat(1, 2), whole.Repeat(1, 2)
			for range 90 {
				step(text(1), text(1))
			}
			checkBound(t, m, bounded, whole, tt.layer)
			bounded.Crop(0, 0)
			whole.Crop(0, 0)
			step(text(100), text(1))
			checkBound(t, m, bounded, whole, tt.layer)
		})
	}
}

// stepLogits are the logits of all new tokens.
func stepLogits(t *testing.T, m *Model, c *Cache, docs [][]int32) []float32 {
	t.Helper()
	b, _ := Documents(docs)
	p := &op.Pass{}
	defer p.Release()
	out, err := m.Logits(p, b, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out.Data)
}

// checkBound compares the bytes of the caches with the model's Footprint.
func checkBound(t *testing.T, m *Model, bounded, whole *Cache, windows int) {
	t.Helper()
	caches := m.Footprint("", false).Caches
	if len(caches) != 4 || slices.IndexFunc(caches, func(c op.CacheFootprint) bool { return c.Values <= 0 }) >= 0 {
		t.Fatalf("caches %+v", caches)
	}
	found := 0
	for i, c := range caches {
		for d := range 2 {
			kv, all := bounded.layers[i][d], whole.layers[i][d]
			if all.Len != kv.Len {
				t.Fatalf("layer %d has %d tokens, want %d", i, kv.Len, all.Len)
			}
			least := 4 * c.Values * all.Len
			if all.Bytes() < least {
				t.Errorf("layer %d: all of %d tokens take %d bytes, want %d at least", i, all.Len, all.Bytes(), least)
			}
			if c.Window == 0 {
				if kv.Bytes() != all.Bytes() {
					t.Errorf("layer %d without a window takes %d bytes, want %d", i, kv.Bytes(), all.Bytes())
				}
				continue
			}
			found++
			state := 4 * 4 * 12 * 6 // of the gated delta rule
			if most := 4*c.Values*(c.Window+op.WindowChunk) + state; kv.Bytes() > most {
				t.Errorf("layer %d takes %d bytes after %d tokens, want %d at most", i, kv.Bytes(), kv.Len, most)
			}
		}
	}
	if found != 2*windows {
		t.Errorf("%d layers forget, want %d", found/2, windows)
	}
}

// TestGenerateWithWindow: Generate gives the texts of a cache that keeps all, with a prefix that prompts share too, and beams.
func TestGenerateWithWindow(t *testing.T) {
	for name, tt := range windowModels {
		m, err := New([]byte(windowed+tt.more+"}"), Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		var shared []int32
		for i := range 80 {
			shared = append(shared, int32(i*i%50))
		}
		prompts := [][]int32{append(slices.Clone(shared), 3), append(slices.Clone(shared), 4, 5), {6}}
		got, err := m.Generate(t.Context(), prompts, GenerationConfig{MaxNewTokens: 80}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range prompts {
			var want []int32
			c := m.NewCache(1)
			for next := p; len(want) < 80; next = want[len(want)-1:] {
				row := stepLogits(t, m, c, [][]int32{next})
				row = row[len(row)-50:]
				want = append(want, int32(slices.Index(row, slices.Max(row))))
			}
			if !slices.Equal(got[i], want) {
				t.Errorf("%s: text %d is %v, want %v", name, i, got[i], want)
			}
		}
		beams, err := m.Generate(t.Context(), prompts, GenerationConfig{MaxNewTokens: 8, NumBeams: 3}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range prompts {
			alone, err := m.Generate(t.Context(), [][]int32{p}, GenerationConfig{MaxNewTokens: 8, NumBeams: 3}, nil)
			if err != nil || !slices.Equal(alone[0], beams[i]) {
				t.Errorf("%s: beams of prompt %d are %v, alone %v, %v", name, i, beams[i], alone, err)
			}
		}
	}
}
