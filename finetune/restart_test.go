package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
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
