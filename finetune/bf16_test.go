package finetune

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// onEveryUnit runs f at every level and with every unit for bfloat16 that the processor has.
func onEveryUnit(t *testing.T, f func(t *testing.T)) {
	level, unit := cpu.Used, cpu.UsedUnit
	defer func() { cpu.Used, cpu.UsedUnit = level, unit }()
	for _, l := range cpu.Levels() {
		for _, u := range cpu.Units() {
			if u != cpu.NoUnit && l != cpu.AVX512 {
				continue
			}
			cpu.Used, cpu.UsedUnit = l, u
			t.Run(l.String()+"/"+u.String(), f)
		}
	}
}

// bf16Run is METHOD.json in testdata/golden/bf16: runs of PyTorch in float32, and in autocast to bfloat16.
type bf16Run struct {
	goldenRun
	Float32  bf16Course `json:"float32"`
	Autocast bf16Course `json:"autocast"`
}

type bf16Course struct {
	Losses    []float64 `json:"losses"`
	GradNorms []float64 `json:"grad_norms"`
}

// TestBF16FollowsPyTorch trains with BF16 beside PyTorch's float32 and its CPU autocast. Relative to both, losses must be within
// 1e-3 and gradient norms within 2e-2. The logits after training must be within 2e-2 of float32's. Autocast's are up to 1.8e-2
// from these themselves: 4e-2.
func TestBF16FollowsPyTorch(t *testing.T) {
	for i, c := range golden.Cases(t, "bf16") {
		if testing.Short() && i > 0 {
			break
		}
		for _, method := range []string{"lora", "full"} {
			t.Run(c.Name+"/"+method, func(t *testing.T) {
				onEveryUnit(t, func(t *testing.T) { followBF16(t, c, method) })
			})
		}
	}
}

func followBF16(t *testing.T, c golden.Case, method string) {
	var g bf16Run
	golden.JSON(t, c.Path(method+".json"), &g)
	f, batches := golden.Open(t, c.Path(method+".safetensors")), golden.Open(t, c.Path("batches.safetensors"))
	tr := newGoldenTrainer(t, c, g.goldenRun, f)
	tr.Options.BF16, tr.Options.MaxTokensPerMicroBatch = true, 1024
	for s := 1; s <= g.Steps; s++ {
		rows, _ := goldenRows(t, batches, "step"+string(rune('0'+s))+".", tr.Model.Head().Kind)
		got, err := tr.Step(t.Context(), rows, s-1, g.rate(s))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bf16Course{"float32": g.Float32, "autocast": g.Autocast} {
			if w := want.Losses[s-1]; !(math.Abs(got.Loss-w) <= 1e-3*w) {
				t.Errorf("step %d: loss %.6f, want %.6f of PyTorch's %s", s, got.Loss, w, name)
			}
			if w := want.GradNorms[s-1]; !(math.Abs(got.GradNorm-w) <= 2e-2*w) {
				t.Errorf("step %d: gradient norm %.6f, want %.6f of PyTorch's %s", s, got.GradNorm, w, name)
			}
		}
	}
	rows, _ := goldenRows(t, batches, "eval.", tr.Model.Head().Kind)
	p := &op.Pass{Adapter: tr.adapter, BF16: true}
	defer p.Release()
	logits, err := tr.Model.Logits(p, infer.Batch(tr.Model, rows), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "float32 logits", logits.Data, f.Float32(t, "float32.logits"), 2e-2, true)
	golden.Close(t, "autocast logits", logits.Data, f.Float32(t, "autocast.logits"), 4e-2, true)
}

// TestBF16GoldenRuns holds the courses of all methods, which PyTorch computed in float32, to losses within 1.5 %.
func TestBF16GoldenRuns(t *testing.T) {
	for i, c := range golden.Cases(t, "train") {
		if testing.Short() && i%4 != 0 {
			continue
		}
		methods, err := filepath.Glob(c.Path("*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range methods {
			name := strings.TrimSuffix(filepath.Base(path), ".json")
			t.Run(c.Name+"/"+name, func(t *testing.T) {
				var g goldenRun
				golden.JSON(t, path, &g)
				batches := golden.Open(t, c.Path("batches.safetensors"))
				tr := newGoldenTrainer(t, c, g, golden.Open(t, c.Path(name+".safetensors")))
				tr.Options.BF16 = true
				changed := false
				for s := 1; s <= g.Steps; s++ {
					rows, _ := goldenRows(t, batches, "step"+string(rune('0'+s))+".", tr.Model.Head().Kind)
					got, err := tr.Step(t.Context(), rows, s-1, g.rate(s))
					if err != nil {
						t.Fatal(err)
					}
					if d := math.Abs(got.Loss - g.Losses[s-1]); !(d <= 1.5e-2*g.Losses[s-1]) {
						t.Errorf("step %d: loss %.7f, want %.7f", s, got.Loss, g.Losses[s-1])
					} else if d > 1e-6 {
						changed = true
					}
				}
				if !changed {
					t.Error("every loss is float32's")
				}
			})
		}
	}
}

// bf16Config is a short run in bfloat16.
func bf16Config(t *testing.T, steps int) Config {
	c := smallRun(t, "lora")
	c.Train.BF16, c.Train.MaxSteps, c.Save.Steps = true, steps, 2
	return c
}

// TestBF16ThreadsAndResume: a run has the same bits on 1, 2 and 3 threads, with packed weights, and after it was resumed.
func TestBF16ThreadsAndResume(t *testing.T) {
	defer tensor.SetThreads(0)
	weights := func(dir string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, "adapter_model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	train := func(c Config, o Options) []byte {
		t.Helper()
		if _, err := Run(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		return weights(c.Save.OutputDir)
	}
	tensor.SetThreads(1)
	want := train(bf16Config(t, 4), Options{})
	for _, n := range []int{2, 3} {
		tensor.SetThreads(n)
		if got := train(bf16Config(t, 4), Options{}); !bytes.Equal(got, want) {
			t.Errorf("%d threads give other bits than 1", n)
		}
	}
	packed := bf16Config(t, 4)
	packed.Memory.Prepack = true
	if got := train(packed, Options{}); !bytes.Equal(got, want) {
		t.Error("packed weights give other bits")
	}
	c := bf16Config(t, 4)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, c, Options{Progress: func(p Progress) {
		if p.Step == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if got := train(c, Options{Resume: true}); !bytes.Equal(got, want) {
		t.Error("a resumed run has other bits")
	}
	c.Train.BF16 = false
	exact := train(withOutput(c, t.TempDir()), Options{})
	if bytes.Equal(exact, want) {
		t.Error("float32 has the bits of bf16")
	}
	c.Memory.Prepack = true
	if got := train(withOutput(c, t.TempDir()), Options{}); !bytes.Equal(got, exact) {
		t.Error("packed weights give other bits in float32")
	}
}

func withOutput(c Config, dir string) Config {
	c.Save.OutputDir = dir
	return c
}

// TestResumeInAnotherArithmetic: a run is not resumed in another arithmetic, in either direction; a checkpoint that names none is
// float32's.
func TestResumeInAnotherArithmetic(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		c := bf16Config(t, 2)
		c.Train.BF16 = bf16
		if _, err := Run(t.Context(), c, Options{}); err != nil {
			t.Fatal(err)
		}
		c.Train.BF16 = !bf16
		_, err := Run(t.Context(), c, Options{Resume: true})
		want := map[bool]string{false: "computed in float32", true: "computed in bfloat16"}[bf16]
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--overwrite") {
			t.Errorf("bf16 %t, resumed with %t: %v; want %q", bf16, !bf16, err, want)
		}
	}
	r := &run{config: bf16Config(t, 2)}
	if err := r.checkArithmetic(); err == nil || !strings.Contains(err.Error(), "float32") {
		t.Errorf("a checkpoint without a name is resumed in bfloat16: %v", err)
	}
}

// TestLogOfArithmetic: the log says what bf16 brings on the processor, in one line or none.
func TestLogOfArithmetic(t *testing.T) {
	unit := cpu.UsedUnit
	defer func() { cpu.UsedUnit = unit }()
	for _, u := range cpu.Units() {
		for i := range 4 {
			bf16, times := i%2 == 1, []float64{1, 2}[i/2]
			cpu.UsedUnit = u
			var b bytes.Buffer
			r := &run{options: Options{Log: zerolog.New(&b)}}
			r.config.Train.BF16 = bf16
			r.logArithmetic(times)
			want := map[bool]string{false: "bf16: true would round", true: "times as many multiply-adds"}[bf16]
			if times == 1 {
				want = map[bool]string{false: "", true: "brings no speed here"}[bf16]
			}
			if got := b.String(); !strings.Contains(got, want) || (want == "") != (got == "") || strings.Count(got, "\n") > 1 {
				t.Errorf("unit %s, bf16 %t, %g times: the log is %q, want %q in it", u, bf16, times, got, want)
			}
		}
	}
}
