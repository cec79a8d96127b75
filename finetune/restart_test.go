package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks/data"
)

// TestRestarts checks that each restart is logged, keeps the output, takes the next type and resets the optimizer state
// of the adapter, and that the result is a whole model.
func TestRestarts(t *testing.T) {
	c := smallRun(t, "mora")
	c.Train.ReLoRASteps, c.Train.ReLoRAWarmupSteps, c.Train.ReLoRAMoRATypes, c.Train.LearningRate = 3, 2, []int{1, 2, 3}, 0.05
	c.Method.Settings["modules_to_save"] = []string{"norm"}
	var logs bytes.Buffer
	o := Options{Log: zerolog.New(&logs)}
	if _, err := Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	var types []string
	for line := range bytes.Lines(logs.Bytes()) {
		var e struct {
			Message string   `json:"message"`
			Type    string   `json:"mora_type"`
			Change  *float64 `json:"largest_logit_change"`
			Reset   int      `json:"reset"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Message, "restart") {
			types = append(types, e.Type)
			if e.Change == nil || !(*e.Change <= 1e-5) {
				t.Errorf("a restart changed a logit: %s", line)
			}
		}
		if strings.HasPrefix(e.Message, "optimizer state") && e.Reset == 0 {
			t.Errorf("nothing was reset: %s", line)
		}
	}
	if got, want := strings.Join(types, " "), adapter.Neighbours.String()+" "+adapter.NeighboursTiled.String()+" "+adapter.Sharing.String(); got != want {
		t.Errorf("the types after restarts are %q, want %q", got, want)
	}
	if _, err := model.Load(t.Context(), c.Save.OutputDir, model.Options{}); err != nil {
		t.Errorf("the result is not a model: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(c.Save.OutputDir, "adapter_*")); found != nil {
		t.Errorf("the result also holds %v", found)
	}
}

func TestRestartKeys(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"relora_steps is not":     func(c *Config) { c.Train.ReLoRAMoRATypes = []int{1} },
		"needs an adapter":        func(c *Config) { c.Train.ReLoRASteps, c.Method.Name = 5, "full" },
		"for method mora":         func(c *Config) { c.Train.ReLoRASteps, c.Method.Name, c.Train.ReLoRAMoRATypes = 5, "lora", []int{1} },
		"mora_type":               func(c *Config) { c.Train.ReLoRASteps, c.Train.ReLoRAMoRATypes = 5, []int{7} },
		"relora_steps is -1":      func(c *Config) { c.Train.ReLoRASteps = -1 },
		"load_best_model_at_end":  func(c *Config) { c.Train.ReLoRASteps, c.Train.LoadBestModelAtEnd = 5, true },
		"min_lr_ratio is 2; want": func(c *Config) { c.Train.MinLRRatio = 2 },
	} {
		c := Default()
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestRestartsThatCannotBe: an adapter that cannot restart is refused before the first step, also by a dry run.
func TestRestartsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		method   string
		settings map[string]any
		want     string
	}{
		{"adalora", nil, "relora_steps: the method has its own schedule"},
		{"lora", map[string]any{"r": 2, "lora_bias": true, "target_modules": []string{"q_proj"}}, "relora_steps: an adapter with lora_bias"},
		{"lora", map[string]any{"r": 2, "target_modules": []string{"embed_tokens", "q_proj"}}, "relora_steps: model.embed_tokens shares its weight"},
	} {
		c := smallRun(t, tt.method)
		if tt.settings != nil {
			c.Method.Settings = tt.settings
			raw := strings.Replace(smallConfig, "{", `{"tie_word_embeddings": true, "attention_bias": true, `, 1)
			c.Model.Config.Path = tiny.Write(t, filepath.Join(t.TempDir(), "config.json"), raw)
		}
		c.Train.ReLoRASteps, c.Train.ReLoRAWarmupSteps = 3, 1
		_, planned := DryRun(t.Context(), c, nil, quiet())
		_, err := Run(t.Context(), c, quiet())
		for _, err := range []error{planned, err} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", tt.method, err, tt.want)
			}
		}
		if _, err := os.Stat(filepath.Join(c.Save.OutputDir, "metrics.jsonl")); err == nil {
			t.Errorf("%s: the run was begun", tt.method)
		}
	}
}

// TestRestartsAreWarnedOf: restarts that never come, and those that follow too soon for their warm-up.
func TestRestartsAreWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		every, warmup int
		want          string
	}{{0, 7, "relora_warmup_steps has no effect: relora_steps is not set"}, {0, 50, ""}, {40, 1, "the run has 10 steps: no restart will come"}, {3, 50, "a restart comes every 3 steps: learning_rate is never reached again"}, {5, 2, ""}} {
		c := smallRun(t, "lora")
		c.Train.ReLoRASteps, c.Train.ReLoRAWarmupSteps = tt.every, tt.warmup
		var log bytes.Buffer
		if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&log).Level(zerolog.WarnLevel)}); err != nil {
			t.Fatal(err)
		}
		if got := log.String(); tt.want != "" && !strings.Contains(got, tt.want) || tt.want == "" && strings.Contains(got, "relora") {
			t.Errorf("every %d steps: %q, want %q", tt.every, got, tt.want)
		}
	}
}

// TestPatienceNeedsEvaluations: early stopping without evaluations to go by is refused.
func TestPatienceNeedsEvaluations(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"eval_steps is 0": func(c *Config) { c.Eval.Steps = 0 },
		"nothing is held out": func(c *Config) {
			c.Task.Name, c.Task.Options, c.Task.Data = "text", map[string]any{"block_size": 16, "eval_fraction": 0}, data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "a.txt"), strings.Repeat("one two three. ", 40)))
		},
	} {
		c := smallRun(t, "lora")
		c.Train.EarlyStoppingPatience = 2
		change(&c)
		if _, err := DryRun(t.Context(), c, nil, quiet()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
