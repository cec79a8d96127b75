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

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks/data"
)

const smallConfig = `{"model_type": "llama", "vocab_size": 256, "hidden_size": 16, "intermediate_size": 24, "initializer_range": 0.2,
 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128}`

// smallRun returns a run of 10 short steps of a model with random weights.
func smallRun(t *testing.T, method string) Config {
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

// content reads the weights of a run's result, and its metrics without the times.
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

func TestResume(t *testing.T) {
	methods, stops := []string{"mora", "lora", "dora", "full", "loraplus", "pissa", "vera", "adalora", "relora", "remora"}, []int{1, 5, 8}
	if testing.Short() {
		methods, stops = []string{"lora", "full", "adalora", "remora"}, []int{5}
	}
	for _, method := range methods {
		c := smallRun(t, method)
		switch method {
		case "lora":
			c.Method.Settings["lora_dropout"] = 0.2
		case "relora":
			c.Method.Name, c.Train.ReLoRASteps, c.Train.ReLoRAWarmupSteps = "lora", 3, 2
			c.Method.Settings["modules_to_save"] = []string{"norm"}
		case "remora":
			c.Method.Name, c.Train.ReLoRASteps, c.Train.ReLoRAMoRATypes = "mora", 4, []int{1, 2}
		}
		checkResume(t, method, stops, c)
	}
}

// checkResume compares a run with one that is interrupted after each of the steps and resumed.
func checkResume(t *testing.T, name string, stops []int, whole Config) {
	t.Helper()
	if _, err := Run(context.Background(), whole, quiet()); err != nil {
		t.Fatal(err)
	}
	w1, m1 := content(t, whole)
	for _, stop := range stops {
		cut := whole
		cut.Save.OutputDir = filepath.Join(t.TempDir(), "cut")
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
		w2, m2 := content(t, cut)
		if !bytes.Equal(w1, w2) {
			t.Errorf("%s: resumed after step %d, the run has other weights", name, stop)
		}
		if !slices.Equal(m1, m2) {
			t.Errorf("%s: resumed after step %d, the metrics are\n%s\nwant\n%s", name, stop, strings.Join(m2, "\n"), strings.Join(m1, "\n"))
		}
	}
}

func TestDamagedCheckpointIsSkipped(t *testing.T) {
	c := smallRun(t, "mora")
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
		t.Error("resumed from the older checkpoint, the run has other weights")
	}
	if !strings.Contains(logs.String(), "checkpoint-10") || !strings.Contains(logs.String(), "checkpoint-8") {
		t.Errorf("the log does not name both the damaged checkpoint and the older one:\n%s", &logs)
	}
}

func TestExistingOutputFolder(t *testing.T) {
	c := smallRun(t, "lora")
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

func TestDivergence(t *testing.T) {
	c := smallRun(t, "full")
	c.Train.LearningRate, c.Train.LRSchedulerType, c.Train.WarmupRatio, c.Train.MaxGradNorm, c.Save.Steps = 1e20, "constant", 0, 0, 1
	_, err := Run(context.Background(), c, quiet())
	if err == nil || !strings.Contains(err.Error(), "step 2") || !strings.Contains(err.Error(), "checkpoint-1") {
		t.Errorf("got error %v, want one that names step 2 and checkpoint-1", err)
	}
	if _, err := os.Stat(filepath.Join(c.Save.OutputDir, "model.safetensors")); !os.IsNotExist(err) {
		t.Error("a run that diverged left a result")
	}
}

func TestNoScoredToken(t *testing.T) {
	c := smallRun(t, "lora")
	c.Task.MaxLength = 20
	_, err := Run(context.Background(), c, quiet())
	if err == nil || !strings.Contains(err.Error(), "no scored token") {
		t.Errorf("got error %v, want one about no scored token", err)
	}
	if _, err := os.Stat(c.Save.OutputDir); !os.IsNotExist(err) {
		t.Error("a refused run left its folder")
	}
}

// TestBestOfNoEvaluation wants an error where nothing can say which model is the best.
func TestBestOfNoEvaluation(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.LoadBestModelAtEnd = true
	path := tiny.Write(t, filepath.Join(t.TempDir(), "d.txt"), strings.Repeat("One and two are three. ", 40))
	c.Task = TaskSpec{Name: "text", Data: data.Files(path), Options: map[string]any{"eval_fraction": 0, "block_size": 16}}
	if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), "load_best_model_at_end: nothing is held out") {
		t.Errorf("got %v, want an error that names load_best_model_at_end", err)
	}
}

// TestMicroBatchesAddUpToTheBatch checks that the gradients of a batch do not depend on how it is cut into
// micro-batches.
func TestMicroBatchesAddUpToTheBatch(t *testing.T) {
	c := smallRun(t, "full")
	r := &run{config: c, options: quiet()}
	if err := r.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.encode(); err != nil {
		t.Fatal(err)
	}
	r.options.Out = &bytes.Buffer{}
	if err := r.attach(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := slices.Clone(r.rows)
	rows[1].IDs, rows[1].Labels = rows[1].IDs[:50], rows[1].Labels[:50]
	rows[2].IDs, rows[2].Labels = rows[2].IDs[:40], rows[2].Labels[:40]
	var want StepStats
	var grads [][]float32
	for i, tokens := range []int{1 << 20, 1, 100} {
		r.trainer.Options.MaxTokensPerMicroBatch = tokens
		got, _, err := r.trainer.gradients(t.Context(), rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		for j, p := range r.trainer.Params {
			g := slices.Clone(op.Grad(p.Param).Data)
			if i == 0 {
				grads = append(grads, g)
				continue
			}
			for k := range g {
				if math.Abs(float64(g[k]-grads[j][k])) > 1e-5 {
					t.Fatalf("micro-batches of %d tokens: the gradient of %s is %g, want %g", tokens, p.Name, g[k], grads[j][k])
				}
			}
		}
		if i == 0 {
			want = got
		}
		if math.Abs(got.Loss-want.Loss) > 1e-6 || got.Scored != want.Scored {
			t.Errorf("micro-batches of %d tokens: %+v, want %+v", tokens, got, want)
		}
		r.trainer.Optimizer.ZeroGrad()
	}
}

// TestBestThatIsNotThere: a run that is to end in its best weights, and has not got them, looks for the best from where it goes on.
func TestBestThatIsNotThere(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string){
		"removed": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		},
		"of another step": func(t *testing.T, dir string) { tiny.Write(t, filepath.Join(dir, bestStepFile), `{"step": 3}`) },
		"there":           func(*testing.T, string) {},
	} {
		c := smallRun(t, "lora")
		c.Train.MaxSteps, c.Eval.Steps, c.Save.Steps, c.Train.LoadBestModelAtEnd = 4, 2, 2, true
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		lose(t, filepath.Join(c.Save.OutputDir, bestDir))
		c.Train.MaxSteps = 6
		var log bytes.Buffer
		result, err := Run(t.Context(), c, Options{Resume: true, Log: zerolog.New(&log)})
		if err != nil || result.Steps != 6 || strings.Contains(log.String(), "the best is looked for from step 4 on") != (name != "there") {
			t.Errorf("%s: got %v, %v: %s", name, result, err, &log)
		}
		if _, err := os.Stat(filepath.Join(c.Save.OutputDir, bestStepFile)); !os.IsNotExist(err) {
			t.Errorf("%s: the result has %s (%v)", name, bestStepFile, err)
		}
	}
}

// TestHeldOutLossThatIsNotFinite: an evaluation may be the first to see that a run has diverged.
func TestHeldOutLossThatIsNotFinite(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.LearningRate, c.Train.LRSchedulerType, c.Train.MaxSteps, c.Eval.Steps = 1e25, "constant", 3, 1
	if _, err := Run(t.Context(), c, quiet()); !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "training has diverged: the held-out loss is") {
		t.Errorf("got %v", err)
	}
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	c := smallRun(t, "mora")
	c.Train.LearningRate, c.Train.LRSchedulerType, c.Eval.Steps, c.Train.EarlyStoppingPatience, c.Train.LoadBestModelAtEnd, c.Train.MaxSteps = 3, "constant", 1, 2, true, 50
	res, err := Run(context.Background(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if res.Steps == 50 || !strings.Contains(res.Reason, "stopped early") {
		t.Fatalf("a run at an absurd rate went on: %+v", res)
	}
	best, err := os.ReadFile(filepath.Join(c.Save.OutputDir, "best", "adapter_model.safetensors"))
	final, _ := content(t, c)
	if err != nil || !bytes.Equal(best, final) {
		t.Errorf("the result is not the best evaluation's (%v)", err)
	}
}
