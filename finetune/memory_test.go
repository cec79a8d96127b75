package finetune

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks/data"
)

// shallowConfig is a model with SmolLM2's proportions at an eighth of its width.
const shallowConfig = `{"model_type": "llama", "vocab_size": 256, "hidden_size": 72, "intermediate_size": 192, "head_dim": 8,
 "num_hidden_layers": 8, "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 512}`

func TestEstimateOfActivations(t *testing.T) {
	methods := []string{"lora", "mora", "dora", "full"}
	if testing.Short() {
		methods = methods[:1]
	}
	for name, config := range map[string]string{"llama": shallowConfig, "qwen3": strings.Replace(shallowConfig, "llama", "qwen3", 1)} {
		for _, method := range methods {
			for _, checkpointing := range []bool{false, true} {
				tr := trainerOf(t, config, method, map[string]any{"r": 4})
				tr.Options.Checkpointing, tr.Options.MaxTokensPerMicroBatch = checkpointing, 512
				op.ResetPeak()
				if _, _, err := tr.gradients(t.Context(), rowsOf(200, 150, 100, 62), 0); err != nil {
					t.Fatal(err)
				}
				got := float64(op.PeakBytes())
				want := float64(tr.EstimateMemory(512, checkpointing).Activations)
				if math.Abs(got-want) > 0.2*got {
					t.Errorf("%s %s, checkpointing %t: expected %.0f KiB of activations, measured %.0f", name, method, checkpointing, want/1024, got/1024)
				}
			}
		}
	}
}

func TestEstimateOfParameters(t *testing.T) {
	lora := trainerOf(t, smallConfig, "lora", map[string]any{"r": 4})
	n := 0
	for _, p := range lora.Params {
		n += 4 * p.Size()
	}
	e := lora.EstimateMemory(64, false)
	if e.Weights != 4*lora.Model.NumParameters() || e.Adapter != n || e.Gradients != n || e.Optimizer != 2*n {
		t.Errorf("with an adapter of %d bytes the parts are %+v", n, e)
	}
	full := trainerOf(t, smallConfig, "full", nil)
	n = 4 * full.Model.NumParameters()
	if e := full.EstimateMemory(64, false); e.Weights != n || e.Adapter != 0 || e.Gradients != n || e.Optimizer != 2*n {
		t.Errorf("if weights of %d bytes train, the parts are %+v", n, e)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int{"700MiB": 700 << 20, "4GiB": 4 << 30, "2GB": 2e9, "1.5 gib": 3 << 29, "512m": 512 << 20, "2000000": 2e6, "8b": 8} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1GiB", "0", "nan", "1e30GiB", "4 gallons", "inf"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestFitMemory(t *testing.T) {
	estimate := func(checkpointing bool) Memory {
		if checkpointing {
			return Memory{Weights: 300 << 20}
		}
		return Memory{Weights: 200 << 20, Activations: 300 << 20}
	}
	for _, tt := range []struct {
		mode          string
		limit         int
		checkpointing bool
		err           string
	}{
		{"", 0, false, ""}, {"auto", 0, false, ""}, {"block", 0, true, ""}, {"none", 600, false, ""}, {"auto", 600, false, ""},
		{"auto", 400, true, ""}, {"none", 400, false, "block would need about 300 MiB"}, {"block", 400, true, ""},
		{"auto", 200, true, "200 MiB are allowed, but the run needs about 300 MiB: weights 300; a smaller slice_tokens"},
		{"block", 200, true, "a smaller slice_tokens"},
	} {
		checkpointing, _, err := fitMemory(tt.mode, memoryLimit{bytes: tt.limit << 20}, estimate)
		if checkpointing != tt.checkpointing || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q within %d MiB: %t, %v", tt.mode, tt.limit, checkpointing, err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	var want []byte
	for _, mode := range []string{"none", "block"} {
		c := smallRun(t, "lora")
		c.Memory.GradientCheckpointing, c.Memory.Limit = mode, "4GiB"
		var out bytes.Buffer
		o := quiet()
		o.Out = &out
		r, err := Run(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"memory: about ", "memory: "} {
			if !strings.Contains(out.String(), line) || r.Memory.Total() == 0 {
				t.Errorf("the output has no %q:\n%s", line, out.String())
			}
		}
		weights, _ := content(t, c)
		if want == nil {
			want = weights
		} else if !bytes.Equal(weights, want) {
			t.Error("gradient checkpointing changes the weights")
		}
	}
	for want, change := range map[string]func(c *Config){
		"memory: 1 MiB are allowed":       func(c *Config) { c.Memory.Limit = "1MiB" },
		"\"some\" is not a size":          func(c *Config) { c.Memory.Limit = "some" },
		"gradient_checkpointing is \"x\"": func(c *Config) { c.Memory.GradientCheckpointing = "x" },
	} {
		c := smallRun(t, "lora")
		change(&c)
		if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestMachineMemory checks that a run which would exceed the machine's memory is refused before anything is written or
// timed, by Run and DryRun alike, and that the key memory overrides that.
func TestMachineMemory(t *testing.T) {
	for _, method := range []string{"lora", "full"} {
		c := smallRun(t, method)
		o := quiet()
		o.memory = func() int { return 4 << 20 }
		_, trained := Run(t.Context(), c, o)
		_, planned := DryRun(t.Context(), c, nil, o)
		for how, err := range map[string]error{"Run": trained, "DryRun": planned} {
			if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "has 4 MiB, but the run needs about") || !strings.Contains(err.Error(), "memory: unlimited") {
				t.Errorf("%s of %s: %v", how, method, err)
			}
		}
		if _, err := os.Stat(c.Save.OutputDir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a refused run has made its folder: %v", method, err)
		}
		for _, limit := range []string{unlimited, "4GiB"} {
			c.Memory.Limit = limit
			if _, err := DryRun(t.Context(), c, nil, o); err != nil {
				t.Errorf("%s, memory: %s: %v", method, limit, err)
			}
		}
	}
}

// TestDataLargerThanMemory checks that data which do not fit are refused before they are read.
func TestDataLargerThanMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.txt")
	if err := os.WriteFile(path, []byte("text\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skip(err)
	}
	c, o := smallRun(t, "lora"), quiet()
	c.Task = TaskSpec{Name: "text", Data: data.Sources{{Path: path}}, EvalData: data.Sources{{Path: path}}}
	o.memory = func() int { return 1 << 30 }
	_, trained := Run(t.Context(), c, o)
	_, planned := DryRun(t.Context(), c, nil, o)
	for how, err := range map[string]error{"Run": trained, "DryRun": planned} {
		if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "streaming: true") {
			t.Errorf("%s: %v", how, err)
		}
	}
	if got := found(Doctor(t.Context(), c, o), "data", StatusError); len(got) != 1 || !strings.Contains(got[0], "has 1024 MiB") {
		t.Errorf("Doctor: %q", got)
	}
}

// TestRandomWeightsLargerThanMemory checks that random weights which do not fit are refused before they are drawn.
func TestRandomWeightsLargerThanMemory(t *testing.T) {
	c, o := smallRun(t, "lora"), quiet()
	c.Model.Config = ConfigFile{JSON: []byte(strings.Replace(smallConfig, `"vocab_size": 256`, `"vocab_size": 16777216`, 1))}
	o.memory = func() int { return 64 << 20 }
	_, trained := Run(t.Context(), c, o)
	_, planned := DryRun(t.Context(), c, nil, o)
	for how, err := range map[string]error{"Run": trained, "DryRun": planned} {
		if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "MiB: weights ") {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// TestMemoryHelp checks what an error about memory proposes: that which takes most.
func TestMemoryHelp(t *testing.T) {
	const n = 100 << 20
	for _, tt := range []struct {
		e    Memory
		with *Memory
		want string
	}{
		{Memory{Weights: n, Activations: 9 * n}, &Memory{Weights: n, Activations: n}, "gradient_checkpointing: block would need about 200 MiB"},
		{Memory{Weights: n, Gradients: n, Optimizer: 2 * n}, nil, "an adapter (method: lora) instead of method: full would save about 300 MiB"},
		{Memory{Weights: n, Data: 9 * n}, nil, "streaming: true"},
		{Memory{Weights: 9 * n, FilePages: 8 * n}, nil, "needs about 900 MiB (100 without pages of files): weights 900; a smaller slice_tokens"},
	} {
		if err := (memoryLimit{bytes: n / 2, ofMachine: true}).exceeded(tt.e, tt.with); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	mapped := Memory{Weights: 9 * n, FilePages: 9 * n, Activations: n}
	if !(memoryLimit{bytes: 2 * n, ofMachine: true}).admits(mapped) || (memoryLimit{bytes: 2 * n}).admits(mapped) {
		t.Error("pages of files count against the machine's memory, or do not against the key memory")
	}
}

// TestEstimateAlike checks that Run and DryRun estimate the same memory, apart from what the process happens to hold.
func TestEstimateAlike(t *testing.T) {
	c := smallRun(t, "mora")
	plan, err := DryRun(t.Context(), c, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*Memory{&plan.Memory, &r.Memory} {
		if e.Data == 0 || e.Program == 0 || e.Garbage == 0 || e.FilePages < e.Weights/2 {
			t.Errorf("a part is missing: %+v", *e)
		}
		e.Program, e.Garbage, e.Reading = 0, 0, 0
	}
	if plan.Memory != r.Memory {
		t.Errorf("planned %+v, estimated %+v", plan.Memory, r.Memory)
	}
}
