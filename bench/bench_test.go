package bench

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
)

func TestTrainErrors(t *testing.T) {
	m := tiny.Load(t, tiny.Llama(t))
	for want, o := range map[string]Options{
		"batch is 0":        {Method: "lora", Steps: 1, Dense: 8},
		"steps is 0":        {Method: "lora", Batch: 1, Dense: 8},
		"dense is 1":        {Method: "lora", Batch: 1, Steps: 1, Dense: 1},
		"did you mean lora": {Method: "lara", Batch: 1, Steps: 1, Dense: 8},
	} {
		if _, err := Train(t.Context(), m, nil, nil, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	m, tok := tiny.Bytes(t)
	task, err := evaluate.Task("memory", tasks.Train, "", []string{"pairs=5"})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Method: "mora1", Batch: 2, Steps: 2}
	if _, err := Train(t.Context(), m, tok, task, o); err == nil || !strings.Contains(err.Error(), "have 5 rows; 2 + 1 steps of 2 rows need 6") {
		t.Errorf("got %v", err)
	}
}

func TestDecode(t *testing.T) {
	m := tiny.Load(t, tiny.Llama(t))
	r, err := Decode(t.Context(), m, 3, 5, 4)
	if err != nil {
		t.Fatal(err)
	}
	if r.Tokens != 15 || r.NewTokens != 12 || !(r.PrefillTokensPerSecond > 0 && r.DecodeTokensPerSecond > 0 && r.BandwidthUtilization > 0) {
		t.Errorf("got %+v", r)
	}
	for want, n := range map[string][3]int{"prompts is 0": {0, 5, 4}, "5 tokens and 1 new": {1, 5, 1}, "the model's length": {1, 5, 1 << 20}} {
		if _, err := Decode(t.Context(), m, n[0], n[1], n[2]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", n, err, want)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cost")
	points := 0
	tables, err := Sweep(dir, func(o Options, threads int) (*Result, error) {
		points++
		return &Result{TokensPerSecond: float64(o.Batch*o.Dense + o.R), PeakBytes: threads << 20}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| rows | lora, tokens/s |", "| 16 | 4104 |", "| 128 | 1152 |", "| 1 | 1032 | 1 |"} {
		if !strings.Contains(tables, want) {
			t.Errorf("tables lack %q:\n%s", want, tables)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.svg"))
	if written, err := os.ReadFile(filepath.Join(dir, "sweep.md")); err != nil || string(written) != tables || len(files) != len(axes()) {
		t.Errorf("sweep.md %v, plots %v", err, files)
	}
	if _, err := Sweep(dir, func(Options, int) (*Result, error) { return nil, errors.New("no") }); err == nil || !strings.Contains(err.Error(), "rows: no") {
		t.Errorf("got %v", err)
	}
}

func TestForward(t *testing.T) {
	m := tiny.Load(t, tiny.Llama(t))
	r, err := Forward(t.Context(), m, 2, 5, 3)
	if err != nil || r.Tokens != 5 || r.Batch != 2 || !(r.TokensPerSecond > 0) {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := Forward(t.Context(), m, 1, 1<<20, 1); err == nil || !strings.Contains(err.Error(), "up to") {
		t.Errorf("got %v", err)
	}
}

func TestProfile(t *testing.T) {
	m := tiny.Load(t, tiny.Llama(t))
	for _, mode := range []string{"none", "block"} {
		r, err := Train(t.Context(), m, nil, nil, Options{Method: "full", Batch: 2, Steps: 2, Dense: 24, GradientCheckpointing: mode, Profile: true})
		if err != nil {
			t.Fatal(err)
		}
		kinds, share := map[string]bool{}, 0.0
		for _, k := range r.Profile {
			kinds[k.Kind] = true
			share += k.Share
		}
		for _, k := range []string{"linear forward", "linear dX", "parameter gradient", "attention forward", "attention backward", "rmsnorm", "swiglu", "head loss", "embedding", "optimizer", "other"} {
			if !kinds[k] {
				t.Errorf("%s: the profile has no %s", mode, k)
			}
		}
		if kinds["recomputation"] != (mode == "block") || math.Abs(share-1) > 1e-6 {
			t.Errorf("%s: kinds are %v, the shares add up to %g", mode, kinds, share)
		}
		if r.ActivationBytes == 0 || r.Memory.Activations == 0 {
			t.Errorf("%s: no memory of activations", mode)
		}
	}
	if _, err := Train(t.Context(), m, nil, nil, Options{Method: "lora", Batch: 1, Steps: 1, Dense: 8, GradientCheckpointing: "auto"}); err == nil {
		t.Error("no error for gradient_checkpointing auto")
	}
}

// TestOptim: the optimizer is the one that was asked for.
func TestOptim(t *testing.T) {
	losses := map[string][]float64{}
	for _, name := range optim.Names() {
		m := tiny.Load(t, tiny.Llama(t))
		r, err := Train(t.Context(), m, nil, nil, Options{Method: "lora", Batch: 8, Steps: 2, Dense: 16, Optim: name, MaxTokensPerMicroBatch: 32})
		if err != nil {
			t.Fatal(err)
		}
		if r.Memory.Gradients != 2*r.Memory.Adapter {
			t.Errorf("four micro-batches have gradients of %d bytes for an adapter of %d", r.Memory.Gradients, r.Memory.Adapter)
		}
		losses[name] = r.Losses
	}
	if losses["sgd"][2] == losses["adamw_torch"][2] || losses["sgd"][0] != losses["adamw_torch"][0] {
		t.Errorf("losses by optimizer are %v", losses)
	}
	if _, err := Train(t.Context(), tiny.Load(t, tiny.Llama(t)), nil, nil, Options{Method: "lora", Batch: 1, Steps: 1, Dense: 16, Optim: "adam"}); err == nil {
		t.Error("an unknown optimizer is no error")
	}
}

// TestBF16AndRandomModel: a shape is measured without its weights, in either arithmetic.
func TestBF16AndRandomModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	config := `{"model_type": "llama", "vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
		"max_position_embeddings": 64, "tie_word_embeddings": true}`
	if err := os.WriteFile(path, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	var losses [2][]float64
	for i, bf16 := range []bool{false, true} {
		m, err := RandomModel(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, own := m.WeightMemory(); own > 2*m.NumParameters()+4*5*64 {
			t.Errorf("%d parameters take %d bytes", m.NumParameters(), own)
		}
		r, err := Train(t.Context(), m, nil, nil, Options{Method: "lora", Batch: 4, Steps: 2, Dense: 32, BF16: bf16})
		if err != nil {
			t.Fatal(err)
		}
		if r.BF16 != bf16 || !(r.Float32Peak > 0) || !(r.BFloat16Peak > 0) || !(r.MFU > 0) {
			t.Errorf("got %+v", r)
		}
		losses[i] = r.Losses
	}
	for i, v := range losses[0] {
		if d := math.Abs(losses[1][i] - v); !(d <= 1e-2*v) || d == 0 {
			t.Errorf("step %d: the loss is %g in float32, %g in bfloat16", i, v, losses[1][i])
		}
	}
	if _, err := RandomModel(t.Context(), filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Error("no error without a file")
	}
}

// TestDecodeWith measures generation with an adapter that is attached.
func TestDecodeWith(t *testing.T) {
	m := tiny.Load(t, tiny.Llama(t))
	if _, err := adapter.Attach(t.Context(), m, "a", &adapter.MoRA{R: 1}, 1); err != nil {
		t.Fatal(err)
	}
	if r, err := DecodeWith(t.Context(), m, "a", 1, 5, 3); err != nil || r.NewTokens != 3 || !(r.DecodeTokensPerSecond > 0) {
		t.Errorf("got %+v, %v", r, err)
	}
}
