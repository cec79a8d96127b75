package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/op"
)

const smallConfig = `{"model_type": "llama", "vocab_size": 256, "hidden_size": 16, "intermediate_size": 24, "initializer_range": 0.2,
 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128}`

// small is a run of 10 short steps on a random model.
func small(t *testing.T, method string) Config {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(smallConfig), 0o666); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Model.Config.Path, c.Model.Tokenizer = config, filepath.Join("..", "evaldata", "base")
	c.Task.Name, c.Task.Options = "memory", map[string]any{"pairs": 7}
	c.Method.Name, c.Method.Settings = method, map[string]any{"r": 2}
	c.Train.MaxSteps, c.Train.PerDeviceTrainBatchSize, c.Save.LoggingSteps, c.Save.Steps, c.Eval.Steps = 10, 3, 1, 4, 4
	c.Save.OutputDir = filepath.Join(t.TempDir(), "run")
	switch method {
	case "full":
		c.Method.Settings = nil
	case "adalora":
		c.Method.Settings = map[string]any{"init_r": 4, "target_r": 2, "tinit": 2, "tfinal": 3}
	}
	return c
}

func quiet() Options { return Options{Log: zerolog.Nop()} }

// content reads a run's result and its metrics without the times.
func content(t *testing.T, c Config) (weights []byte, metrics []string) {
	t.Helper()
	name := "adapter_model.safetensors"
	if c.WholeModel() {
		name = "model.safetensors"
	}
	weights, err := os.ReadFile(filepath.Join(c.Save.OutputDir, name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(c.Save.OutputDir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "tokens_per_second")
		kept, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		metrics = append(metrics, string(kept))
	}
	return weights, metrics
}

func TestResumedRunIsTheRun(t *testing.T) {
	for _, method := range []string{"mora", "lora", "dora", "full", "loraplus", "pissa", "vera", "adalora", "relora", "remora"} {
		resumesTheSame(t, method, func() Config {
			whole := small(t, method)
			switch method {
			case "lora":
				whole.Method.Settings["lora_dropout"] = 0.2
			case "relora":
				whole.Method.Name, whole.Train.ReLoRASteps, whole.Train.ReLoRAWarmupSteps = "lora", 3, 2
				whole.Method.Settings["modules_to_save"] = []string{"norm"}
			case "remora":
				whole.Method.Name, whole.Train.ReLoRASteps, whole.Train.ReLoRAMoRATypes = "mora", 4, []int{1, 2}
			}
			return whole
		}, 1, 5, 8)
	}
}

// resumesTheSame compares a run with one that is stopped after a step and resumed.
func resumesTheSame(t *testing.T, name string, config func() Config, stops ...int) {
	t.Helper()
	for _, stop := range stops {
		whole := config()
		cut := whole
		cut.Save.OutputDir = filepath.Join(t.TempDir(), "cut")
		if _, err := Run(context.Background(), whole, quiet()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		o := quiet()
		o.Progress = func(p Progress) {
			if p.Step == stop {
				cancel()
			}
		}
		if _, err := Run(ctx, cut, o); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("a cancelled run gave %v", err)
		}
		o = quiet()
		o.Resume = true
		if _, err := Run(context.Background(), cut, o); err != nil {
			t.Fatal(err)
		}
		w1, m1 := content(t, whole)
		w2, m2 := content(t, cut)
		if !bytes.Equal(w1, w2) {
			t.Errorf("%s: resumed after step %d, the weights are others", name, stop)
		}
		if !slices.Equal(m1, m2) {
			t.Errorf("%s: resumed after step %d, the metrics are\n%s\nwant\n%s", name, stop, strings.Join(m2, "\n"), strings.Join(m1, "\n"))
		}
	}
}

func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	c := small(t, "mora")
	if _, err := Run(context.Background(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	weights, _ := content(t, c)
	file := filepath.Join(c.Save.OutputDir, "checkpoint-10", "adapter_model.safetensors")
	if err := os.WriteFile(file, []byte("damaged"), 0o666); err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	o := Options{Resume: true, Log: zerolog.New(&logs)}
	if _, err := Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	again, _ := content(t, c)
	if !bytes.Equal(again, weights) {
		t.Error("resumed from the older checkpoint, the weights are others")
	}
	if !strings.Contains(logs.String(), "checkpoint-10") || !strings.Contains(logs.String(), "checkpoint-8") {
		t.Errorf("the log names neither the damaged checkpoint nor the one in its place:\n%s", &logs)
	}
}

func TestOutputFolderIsNotTakenSilently(t *testing.T) {
	c := small(t, "lora")
	c.Train.MaxSteps = 2
	if _, err := Run(context.Background(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	resume, overwrite := quiet(), quiet()
	resume.Resume, overwrite.Overwrite = true, true
	other := c
	other.Train.LearningRate = 1
	seeded := c
	seeded.Train.Seed++
	foreign := c
	foreign.Save.OutputDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign.Save.OutputDir, "thesis.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		c    Config
		o    Options
		want string
	}{
		{c, quiet(), "--resume"}, {c, resume, ""}, {other, resume, "changed"}, {seeded, resume, "seed"}, {c, overwrite, ""},
		{foreign, overwrite, "not overwritten"}, {foreign, resume, "no whole checkpoint"},
	} {
		_, err := Run(context.Background(), tt.c, tt.o)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
}

func TestDivergenceStopsTheRun(t *testing.T) {
	c := small(t, "full")
	c.Train.LearningRate, c.Train.LRSchedulerType, c.Train.WarmupRatio, c.Train.MaxGradNorm, c.Save.Steps = 1e20, "constant", 0, 0, 1
	_, err := Run(context.Background(), c, quiet())
	if err == nil || !strings.Contains(err.Error(), "step 2") || !strings.Contains(err.Error(), "checkpoint-1") {
		t.Errorf("got error %v, want one that names step 2 and checkpoint-1", err)
	}
	if _, err := os.Stat(filepath.Join(c.Save.OutputDir, "model.safetensors")); !os.IsNotExist(err) {
		t.Error("a run that diverged left a result")
	}
}

func TestDataWithoutScoredTokenAreRefused(t *testing.T) {
	c := small(t, "lora")
	c.Task.MaxLength = 20
	_, err := Run(context.Background(), c, quiet())
	if err == nil || !strings.Contains(err.Error(), "no scored token") {
		t.Errorf("got error %v, want one about no scored token", err)
	}
	if _, err := os.Stat(c.Save.OutputDir); !os.IsNotExist(err) {
		t.Error("a refused run left its folder")
	}
}

// TestSlicesAddUpToTheWindow: cut in other slices, with rows of other lengths, the gradients are those of the whole.
func TestSlicesAddUpToTheWindow(t *testing.T) {
	c := small(t, "full")
	r := &run{c: c, o: quiet()}
	if err := r.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.encode(); err != nil {
		t.Fatal(err)
	}
	r.o.Out = &bytes.Buffer{}
	if err := r.attach(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := slices.Clone(r.rows)
	rows[1].IDs, rows[1].Labels = rows[1].IDs[:50], rows[1].Labels[:50]
	rows[2].IDs, rows[2].Labels = rows[2].IDs[:40], rows[2].Labels[:40]
	var want StepStats
	var grads [][]float32
	for i, tokens := range []int{1 << 20, 1, 100} {
		r.t.Options.MaxTokensPerMicroBatch = tokens
		got, err := r.t.gradients(t.Context(), rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		for j, p := range r.t.Params {
			g := slices.Clone(op.Grad(p.Param).Data)
			if i == 0 {
				grads = append(grads, g)
				continue
			}
			for k := range g {
				if math.Abs(float64(g[k]-grads[j][k])) > 1e-5 {
					t.Fatalf("slices of %d tokens: gradient of %s differs: %g, want %g", tokens, p.Name, g[k], grads[j][k])
				}
			}
		}
		if i == 0 {
			want = got
		}
		if math.Abs(got.Loss-want.Loss) > 1e-6 || got.Scored != want.Scored {
			t.Errorf("slices of %d tokens: %+v, want %+v", tokens, got, want)
		}
		r.t.AdamW.zeroGrad()
	}
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	c := small(t, "mora")
	c.Train.LearningRate, c.Train.LRSchedulerType, c.Eval.Steps, c.Train.EarlyStoppingPatience, c.Train.LoadBestModelAtEnd, c.Train.MaxSteps = 3, "constant", 1, 2, true, 50
	res, err := Run(context.Background(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if res.Steps == 50 || !strings.Contains(res.Reason, "stopped early") {
		t.Fatalf("a run at an absurd rate went on: %+v", res)
	}
	best, err := os.ReadFile(filepath.Join(c.Save.OutputDir, "best", "adapter_model.safetensors"))
	if errors.Is(err, os.ErrNotExist) {
		return // nothing was better than the start
	}
	final, _ := content(t, c)
	if err != nil || !bytes.Equal(best, final) {
		t.Errorf("the result is not the best evaluation's (%v)", err)
	}
}
