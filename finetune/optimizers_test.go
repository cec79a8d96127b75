package finetune

import (
	"bytes"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/optim"
)

// optimizerRun is a short run with an optimizer, of all parameters or of an adapter with groups of rates.
func optimizerRun(t *testing.T, name, method string) Config {
	c := smallRun(t, method)
	c.Task.Options["pairs"] = 19
	c.Train.Optim, c.Train.MaxSteps, c.Train.WeightDecay, c.Save.Steps = name, 4, 0.1, 0
	c.Train.PerDeviceTrainBatchSize, c.Train.GradientAccumulationSteps, c.Train.MaxTokensPerMicroBatch = 2, 3, 24
	return c
}

// TestOptimizersBits: with every optimizer a run that two ranks begin and one goes on with has the bits of a run in one go.
func TestOptimizersBits(t *testing.T) {
	for _, name := range optim.Names() {
		for _, method := range []string{"full", "loraplus"} {
			if testing.Short() && method == "loraplus" {
				continue
			}
			t.Run(name+"/"+method, func(t *testing.T) {
				one := optimizerRun(t, name, method)
				one.Train.PerDeviceTrainBatchSize *= 2
				if _, err := Run(t.Context(), one, quiet()); err != nil {
					t.Fatal(err)
				}
				two := optimizerRun(t, name, method)
				if err := runOn(t, two, 2, 2, quiet()); !errors.Is(err, ErrInterrupted) {
					t.Fatalf("stopped after step 2: %v", err)
				}
				o := quiet()
				o.Resume = true
				if _, err := Run(t.Context(), two, o); err != nil {
					t.Fatal(err)
				}
				want, metrics := content(t, one)
				got, lines := content(t, two)
				if !bytes.Equal(got, want) || !slices.Equal(lines, metrics) {
					t.Errorf("begun by two ranks and resumed by one, the run has other weights, or metrics\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(metrics, "\n"))
				}
			})
		}
	}
}

// TestOptimizersRestart: every optimizer begins again with each adapter of ReLoRA, also one without state.
func TestOptimizersRestart(t *testing.T) {
	for _, name := range optim.Names() {
		c := optimizerRun(t, name, "lora")
		c.Train.ReLoRASteps, c.Train.ReLoRAWarmupSteps = 2, 1
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOptimKeys: what Config.Check says about the keys, and that a run is not resumed with another optimizer.
func TestOptimKeys(t *testing.T) {
	for text, want := range map[string]string{
		"optim: adamw_8bit":                               "",
		"optim: sgd\noptim_args: momentum=0.9":            "",
		"optim: sgdd":                                     `optim is "sgdd"; did you mean sgd?`,
		"optim: adafactor\noptim_args: momentum=0.9":      "adafactor has no settings of its own",
		"optim: sgd\noptim_args: nesterov=true":           "it needs a momentum",
		"optim: sgd\noptim_args: dampening=0.1":           "dampening has no effect without a momentum",
		"optim: sgd\nslice_tokens: 9999999999999":         "slice_tokens is 9999999999999; want 0 (by the model) or more, and 1e+09 at most",
		"optimizer: adamw_8bit":                           "write optim",
		"optim: sgd\noptim_args: momentum=0.9,nestrov=on": "did you mean nesterov?",
	} {
		runs, err := ParseRecipes([]byte(text), nil)
		if err == nil {
			err = runs[0].Config.Check()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	c := optimizerRun(t, "adamw_8bit", "lora")
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	c.Train.Optim = ""
	o := quiet()
	o.Resume = true
	if _, err := Run(t.Context(), c, o); err == nil || !strings.Contains(err.Error(), `optim: the run has "adamw_8bit", the recipe "adamw_torch"`) {
		t.Errorf("resumed with another optimizer: %v", err)
	}
}

// TestResumeWithoutNewKeys: a checkpoint of a version that did not have a key goes on where the key has its default.
func TestResumeWithoutNewKeys(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.MaxSteps = 2
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	dir := checkpointDir(c.Save.OutputDir, 2)
	s, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.resolved()
	if err != nil {
		t.Fatal(err)
	}
	s.Recipe = maps.Clone(s.Recipe)
	delete(s.Recipe, "optim")
	r := &run{config: c, state: s, settings: all}
	if err := r.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.encode(); err != nil {
		t.Fatal(err)
	}
	if s.Digest, err = r.fixedDigest(r.keysThen()); err != nil {
		t.Fatal(err)
	}
	if s.SHA256, err = s.digest(); err != nil {
		t.Fatal(err)
	}
	if err := folder.WriteJSON(filepath.Join(dir, stateFile), s); err != nil {
		t.Fatal(err)
	}
	c.Train.MaxSteps = 3
	o := quiet()
	o.Resume = true
	if _, err := Run(t.Context(), c, o); err != nil {
		t.Errorf("a checkpoint without the key optim: %v", err)
	}
}

// TestEstimateOfOptimizers: what a plan expects of an optimizer's state is what the optimizer keeps.
func TestEstimateOfOptimizers(t *testing.T) {
	for _, name := range optim.Names() {
		rule, err := optim.NewRule(optim.Settings{Optim: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{tiny.Llama(t), golden.Roots(t, "models", "bert-seqcls")[0], golden.Roots(t, "models", "bart")[0]} {
			m := tiny.Load(t, dir)
			planned := weightsState(m, rule, 1)
			tr := NewTrainer(m, nil, TrainerOptions{Optimizer: rule})
			o := tr.Optimizer
			if e := tr.EstimateMemory(64, false); e.Optimizer != o.StateBytes() || planned != o.StateBytes() {
				t.Errorf("%s of %s: planned %d bytes, estimated %d, kept %d", name, filepath.Base(dir), planned, e.Optimizer, o.StateBytes())
			}
		}
		m, err := model.New([]byte(smallConfig), model.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		c := Default()
		c.Method.Name, c.Method.Settings, c.Train.Optim = "lora", map[string]any{"r": 90, "modules_to_save": []string{"lm_head", "embed_tokens"}}, name
		planned, err := countTrainable(t.Context(), m, c)
		if err != nil {
			t.Fatal(err)
		}
		method, err := c.Method.method()
		if err != nil {
			t.Fatal(err)
		}
		a, err := adapter.Attach(t.Context(), m, infer.AdapterName, method, 1)
		if err != nil {
			t.Fatal(err)
		}
		if n := NewTrainer(m, a, TrainerOptions{Optimizer: rule}).Optimizer.StateBytes(); n != planned.state {
			t.Errorf("%s of an adapter: planned %d bytes, kept %d", name, planned.state, n)
		}
	}
}
