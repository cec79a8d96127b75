package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tensor"
)

// sketch describes a model by what the rules look at.
type sketch struct {
	arch                    string
	layers, experts         int
	heads, kvHeads          int
	tied, qkv               bool
	embedding, feedForward  int // columns
	rows                    int
	withoutMetadata, images bool
}

// build makes the metadata and the tensors, with the values of source.
func (s sketch) build(source func(rows, cols int) tensor.Source) (*Metadata, []Entry) {
	m := &Metadata{}
	if !s.withoutMetadata {
		m.Set("general.architecture", s.arch)
		for key, n := range map[string]int{"block_count": s.layers, "attention.head_count": s.heads, "attention.head_count_kv": s.kvHeads,
			"expert_count": s.experts, "expert_used_count": min(2, s.experts), "context_length": 64, "embedding_length": s.embedding,
			"feed_forward_length": s.feedForward, "vocab_size": s.rows} {
			m.Set(s.arch+"."+key, uint32(n))
		}
		m.Set(s.arch+".attention.layer_norm_rms_epsilon", float32(1e-5))
		m.Set("general.file_type", uint32(0))
	}
	var entries []Entry
	add := func(name string, shape ...int) {
		cols := lastOf(shape)
		n := 1
		for _, d := range shape {
			n *= d
		}
		entries = append(entries, Quantized(name, F32, source(n/cols, cols), shape...))
	}
	if !s.tied {
		add("output.weight", s.rows, s.embedding)
	}
	for l := s.layers - 1; l >= 0; l-- { // not in order
		blk := fmt.Sprintf("blk.%d.", l)
		if s.qkv {
			add(blk+"attn_qkv.weight", s.rows, s.embedding)
			add(blk+"attn_qkv.bias", s.rows)
		} else {
			add(blk+"attn_q.weight", s.rows, s.embedding)
			add(blk+"attn_k.weight", s.rows, s.embedding)
			add(blk+"attn_v.weight", s.rows, s.embedding)
		}
		add(blk+"attn_output.weight", s.rows, s.embedding)
		add(blk+"attn_norm.weight", s.embedding)
		if s.experts > 0 {
			add(blk+"ffn_gate_inp.weight", s.experts, s.embedding)
			add(blk+"ffn_down_exps.weight", s.experts, s.rows, s.feedForward)
			add(blk+"ffn_up_exps.weight", s.experts, s.rows, s.embedding)
		} else {
			add(blk+"ffn_down.weight", s.rows, s.feedForward)
			add(blk+"ffn_up.weight", s.rows, s.embedding)
			add(blk+"ffn_gate.weight", s.rows, s.embedding)
		}
	}
	add("token_embd.weight", s.rows, s.embedding)
	add("output_norm.weight", s.embedding)
	if s.images {
		add("v.patch_embd.weight", s.rows, s.embedding)
		add("position_embd.weight", s.rows, s.embedding)
		add("token_types.weight", s.rows, s.embedding)
	}
	return m, entries
}

var llama = sketch{arch: "llama", layers: 16, heads: 8, kvHeads: 4, embedding: 256, feedForward: 512, rows: 2}

func with(s sketch, change func(*sketch)) sketch {
	change(&s)
	return s
}

// TestMixtureRules looks at some types that the rules choose. TestLlamaCpp compares all of them.
func TestMixtureRules(t *testing.T) {
	tests := []struct {
		name, mixture string
		model         sketch
		want          string // NAME TYPE, …
	}{
		{"half precision", "F16", llama, "token_embd.weight F16, blk.0.attn_q.weight F16, blk.0.attn_norm.weight F32, output.weight F16"},
		{"eight bits", "Q8_0", llama, "token_embd.weight Q8_0, output.weight Q8_0, blk.3.ffn_down.weight Q8_0, output_norm.weight F32"},
		{"output", "Q4_0", llama, "token_embd.weight Q4_0, output.weight Q6_K, blk.3.ffn_down.weight Q4_0"},
		{"tied", "Q4_0", with(llama, func(s *sketch) { s.tied = true }), "token_embd.weight Q6_K"},
		{"medium", "Q4_K_M", llama, `blk.0.attn_v.weight Q6_K, blk.1.ffn_down.weight Q6_K, blk.2.attn_v.weight Q4_K, blk.3.ffn_down.weight Q4_K,
			blk.4.attn_v.weight Q6_K, blk.13.ffn_down.weight Q6_K, blk.14.attn_v.weight Q6_K, blk.15.attn_v.weight Q6_K, blk.12.attn_v.weight Q4_K,
			blk.0.attn_k.weight Q4_K, blk.0.attn_output.weight Q4_K, blk.0.ffn_up.weight Q4_K, token_embd.weight Q4_K, output.weight Q6_K`},
		{"five bits", "Q5_K", llama, "blk.0.attn_v.weight Q6_K, blk.2.ffn_down.weight Q5_K, blk.0.attn_q.weight Q5_K"},
		{"small", "Q4_K_S", llama, `blk.3.attn_v.weight Q5_K, blk.4.attn_v.weight Q4_K, blk.1.ffn_down.weight Q5_K, blk.2.ffn_down.weight Q4_K,
			blk.0.ffn_gate.weight Q4_K`},
		{"small of five", "Q5_K_S", llama, "blk.0.attn_v.weight Q5_K, blk.0.ffn_down.weight Q5_K, output.weight Q6_K"},
		{"six bits", "Q6_K", llama, "blk.0.attn_v.weight Q6_K, blk.5.ffn_down.weight Q6_K, token_embd.weight Q6_K"},
		{"queries, keys and values as one", "Q4_K_M", with(llama, func(s *sketch) { s.qkv = true }), "blk.0.attn_qkv.weight Q6_K, blk.2.attn_qkv.weight Q4_K, blk.0.attn_qkv.bias F32"},
		{"eight experts", "Q4_K_M", with(llama, func(s *sketch) { s.experts = 8 }), `blk.2.attn_v.weight Q8_0, blk.2.attn_k.weight Q8_0, blk.2.attn_q.weight Q4_K,
			blk.2.attn_output.weight Q5_K, blk.0.ffn_gate_inp.weight F32, blk.0.ffn_down_exps.weight Q6_K, blk.2.ffn_down_exps.weight Q4_K, blk.0.ffn_up_exps.weight Q4_K`},
		{"four experts", "Q4_K_M", with(llama, func(s *sketch) { s.experts = 4 }), "blk.2.attn_v.weight Q4_K, blk.2.attn_k.weight Q4_K, blk.2.attn_output.weight Q4_K"},
		{"80 layers, grouped", "Q4_K_M", with(llama, func(s *sketch) { s.layers = 80 }), "blk.9.attn_v.weight Q6_K, blk.11.attn_v.weight Q5_K, blk.11.ffn_down.weight Q4_K"},
		{"80 layers", "Q4_K_M", with(llama, func(s *sketch) { s.layers, s.kvHeads = 80, 8 }), "blk.11.attn_v.weight Q4_K"},
		{"80 layers of another", "Q4_K_M", with(llama, func(s *sketch) { s.arch, s.layers, s.kvHeads = "qwen2", 80, 8 }), "blk.11.attn_v.weight Q5_K"},
		{"rows of 32s", "Q4_K_M", with(llama, func(s *sketch) { s.embedding, s.feedForward = 96, 160 }), `blk.2.attn_q.weight Q5_0, blk.0.attn_v.weight Q8_0, output.weight Q8_0,
			token_embd.weight Q5_0, blk.0.ffn_down.weight Q8_0`},
		{"rows of 32s, five bits", "Q5_K_S", with(llama, func(s *sketch) { s.embedding, s.feedForward = 96, 160 }), "blk.2.attn_q.weight Q5_1, token_embd.weight Q5_1"},
		{"odd rows", "Q4_K_M", with(llama, func(s *sketch) { s.embedding, s.feedForward = 40, 100 }), "blk.2.attn_q.weight F16, blk.0.ffn_down.weight F16, output.weight F16"},
		{"odd rows, four bits", "Q4_0", with(llama, func(s *sketch) { s.embedding, s.feedForward = 40, 100 }), "blk.2.attn_q.weight F16, output.weight F16"},
		{"positions and images", "Q8_0", with(llama, func(s *sketch) { s.images = true }), "position_embd.weight F32, token_types.weight F32, v.patch_embd.weight F32"},
	}
	for _, tt := range tests {
		m, err := ParseMixture(tt.mixture)
		if err != nil {
			t.Fatal(err)
		}
		metadata, entries := tt.model.build(func(rows, cols int) tensor.Source { return tensor.Matrix{Rows: rows, Cols: cols, Stride: cols} })
		types, err := m.Types(metadata, entries)
		if err != nil {
			t.Fatal(err)
		}
		for want := range strings.SplitSeq(tt.want, ",") {
			part := strings.Fields(want)
			i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == part[0] })
			if i < 0 || types[i].String() != part[1] {
				t.Errorf("%s: %s in %s: got %v, want %s", tt.name, part[0], m, types[max(i, 0)], part[1])
			}
		}
	}
}

func TestMixtureErrors(t *testing.T) {
	_, err := ParseMixture("iq4_xs")
	checkError(t, "unwritten", err, "gguf: unsupported type: IQ4_XS is not written; BF16, F16, F32, Q4_0, Q4_1, Q4_K, Q4_K_M, Q4_K_S")
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
	_, err = ParseMixture("Q5_K_X")
	checkError(t, "unknown", err, `gguf: unknown type "Q5_K_X"; did you mean Q5_K_M?`)
	for _, name := range MixtureNames() {
		if m, err := ParseMixture(strings.ToLower(name)); err != nil || !strings.HasPrefix(m.String(), name) {
			t.Errorf("%s: got %s, %v", name, m, err)
		}
	}
	zeros := func(rows, cols int) tensor.Source { return tensor.New(rows, cols) }
	m, entries := with(llama, func(s *sketch) { s.withoutMetadata = true }).build(zeros)
	mixture, err := ParseMixture("Q4_K_M")
	if err != nil {
		t.Fatal(err)
	}
	_, err = mixture.Types(m, entries)
	checkError(t, "no architecture", err, "no such key: general.architecture")
	m.Set("general.architecture", "llama")
	_, err = mixture.Types(m, entries)
	checkError(t, "no layers", err, "no such key: llama.block_count")
	m.Set("llama.expert_count", "many")
	_, err = mixture.Types(m, entries)
	checkError(t, "experts", err, "key llama.expert_count is of type string, want an integer")
	unread := Tensor{Name: "blk.0.attn_q.weight", Type: 17, Shape: []int{2, 256}, Data: make([]byte, 148)}
	m.Set("llama.expert_count", uint32(0))
	m.Set("llama.block_count", uint32(1))
	f := open(t, write(t, m, unread.Entry()))
	path := filepath.Join(t.TempDir(), "x.gguf")
	checkError(t, "unread", mixture.Convert(t.Context(), path, f), `tensor "blk.0.attn_q.weight": unsupported type: IQ2_XS is not read`)
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was written")
	}
}

// sameTensors compares what we made with what llama.cpp made: the type and the bytes of each tensor.
func sameTensors(t *testing.T, name, ours, theirs string) map[Type]int {
	t.Helper()
	got, want := open(t, ours), open(t, theirs)
	if !slices.Equal(got.Names(), want.Names()) {
		t.Fatalf("%s: got tensors %v, want %v", name, got.Names(), want.Names())
	}
	blocks := map[Type]int{}
	for _, w := range want.Tensors() {
		g, _ := got.Get(w.Name)
		if g.Type != w.Type || !slices.Equal(g.Shape, w.Shape) {
			t.Errorf("%s: %s is %s %v, want %s %v", name, w.Name, g.Type, g.Shape, w.Type, w.Shape)
			continue
		}
		size, wrong := w.Type.BlockBytes(), 0
		for i := 0; i < len(w.Data); i += size {
			if !bytes.Equal(g.Data[i:i+size], w.Data[i:i+size]) {
				wrong++
			}
		}
		if blocks[w.Type] += len(w.Data) / size; wrong > 0 {
			t.Errorf("%s: %s, %s: %d of %d blocks differ", name, w.Name, w.Type, wrong, len(w.Data)/size)
		}
	}
	for _, key := range []string{"general.file_type", "general.quantization_version"} {
		g, _ := got.Metadata().Get(key)
		if w, _ := want.Metadata().Get(key); g != w {
			t.Errorf("%s: %s is %v, want %v", name, key, g, w)
		}
	}
	return blocks
}

// TestGoldenQuantized quantizes a file as llama.cpp did, to the same types and bytes.
func TestGoldenQuantized(t *testing.T) {
	for _, root := range golden.Roots(t, "gguf", "quantized") {
		source := open(t, filepath.Join(root, "F32.gguf"))
		for _, m := range mixtures[1:] {
			path := filepath.Join(t.TempDir(), "x.gguf")
			if err := m.Convert(t.Context(), path, source); err != nil {
				t.Fatal(err)
			}
			blocks := sameTensors(t, m.name, path, filepath.Join(root, m.name+".gguf"))
			t.Log(m.name, blocks)
		}
	}
}

// llamaEnv names a Python with llama-cpp-python 0.3.36.
const llamaEnv = "SPAGOTUNE_LLAMACPP"

// TestLlamaCpp lets llama.cpp quantize models of several shapes, and wants its types and bytes.
func TestLlamaCpp(t *testing.T) {
	python := os.Getenv(llamaEnv)
	if python == "" {
		t.Skip(llamaEnv + " names no Python with llama-cpp-python")
	}
	models := map[string]sketch{
		"llama":    with(llama, func(s *sketch) { s.rows = 40 }),
		"wide":     with(llama, func(s *sketch) { s.layers, s.embedding, s.feedForward, s.rows = 8, 1024, 2048, 64 }),
		"tied":     with(llama, func(s *sketch) { s.tied = true }),
		"qkv":      with(llama, func(s *sketch) { s.arch, s.qkv = "phi3", true }),
		"experts8": with(llama, func(s *sketch) { s.experts = 8 }),
		"experts4": with(llama, func(s *sketch) { s.experts = 4 }),
		"80":       with(llama, func(s *sketch) { s.layers = 80 }),
		"80qwen2":  with(llama, func(s *sketch) { s.arch, s.layers, s.kvHeads = "qwen2", 80, 8 }),
		"32s":      with(llama, func(s *sketch) { s.embedding, s.feedForward, s.rows = 96, 160, 300 }),
		"odd":      with(llama, func(s *sketch) { s.embedding, s.feedForward = 40, 100 }),
		"images":   with(llama, func(s *sketch) { s.images = true }),
	}
	total := map[Type]int{}
	for name, s := range models {
		rng := rand.New(rand.NewPCG(uint64(len(name)), 7))
		m, entries := s.build(func(rows, cols int) tensor.Source { return likeWeights(rng, rows, cols) })
		dir := t.TempDir()
		in := filepath.Join(dir, "in.gguf")
		if err := Write(t.Context(), in, m, entries); err != nil {
			t.Fatal(err)
		}
		args := []string{filepath.Join(golden.Repository(t), "scripts", "golden", "gguf_quantized.py"), in, filepath.Join(dir, "theirs")}
		for _, m := range mixtures {
			args = append(args, m.name)
		}
		if out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		source := open(t, in)
		for _, m := range mixtures {
			ours := filepath.Join(dir, "ours-"+m.name+".gguf")
			if err := m.Convert(t.Context(), ours, source); err != nil {
				t.Fatal(err)
			}
			for typ, n := range sameTensors(t, name+" "+m.name, ours, filepath.Join(dir, "theirs-"+m.name+".gguf")) {
				total[typ] += n
			}
		}
	}
	for _, typ := range writableTypes() {
		t.Logf("%s: %d blocks", typ, total[typ])
		if total[typ] == 0 && typ != MXFP4 { // which no mixture has
			t.Errorf("%s was not compared", typ)
		}
	}
}

// likeWeights are values like weights, with outliers, runs of one sign, of zeros and of equals.
func likeWeights(rng *rand.Rand, rows, cols int) tensor.Matrix {
	m := tensor.New(rows, cols)
	for i := range rows {
		sigma := []float64{0.02, 0.3, 2}[rng.IntN(3)]
		kind := 0
		for j := range cols {
			if j%8 == 0 {
				kind = rng.IntN(8)
			}
			x := rng.NormFloat64() * sigma
			switch {
			case kind == 1 && rng.IntN(10) == 0:
				x *= 30
			case kind == 2:
				x = max(x, -x)
			case kind == 3:
				x = 0
			case kind == 4:
				x = 0.125
			case kind == 5:
				x *= 1e-5
			}
			m.Row(i)[j] = float32(x)
		}
	}
	return m
}

// TestFallbacks: the weights whose rows are no whole number of blocks are counted by the types that they get.
func TestFallbacks(t *testing.T) {
	entry := func(name string, shape ...int) Entry { return Entry{Name: name, Type: F32, Shape: shape} }
	entries := []Entry{entry("token_embd.weight", 4, 512), entry("output_norm.weight", 512), entry("blk.0.attn_q.weight", 512, 576),
		entry("blk.0.attn_k.weight", 512, 576), entry("blk.0.ffn_down.weight", 512, 90), entry("blk.0.ffn_up.weight", 90, 512)}
	var metadata Metadata
	metadata.Set("general.architecture", "llama")
	metadata.Set("llama.block_count", uint32(1))
	for name, want := range map[string]string{
		"Q4_K_S": "3 of 6 tensors have rows that 256 does not divide: F16 (1), Q5_0 (2)",
		"Q8_0":   "1 of 6 tensors have rows that 32 does not divide: F16 (1)",
		"F16":    "",
	} {
		m, err := ParseMixture(name)
		if err != nil {
			t.Fatal(err)
		}
		types, err := m.Types(&metadata, entries)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Fallbacks(entries, types); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
