package finetune

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
)

// Config is a run: a recipe's keys, in the order in which they are documented.
type Config struct {
	// Model is a Hugging Face folder, or "embedded" for the tiny base in the binary.
	Model string `yaml:"model"`
	// ModelConfig, where Model is empty, is a config.json, or its keys themselves, whose model is trained from random
	// weights.
	ModelConfig any `yaml:"model_config"`
	// Tokenizer is the folder of the tokenizer, or "embedded"; empty is the model's own.
	Tokenizer string `yaml:"tokenizer"`

	// Numerics is "huggingface" (as transformers computes, the default) or "cybertron" (as Cybertron does, for models that it
	// is to serve).
	Numerics string `yaml:"numerics" json:",omitempty"`

	// Task names how data become examples and answers are scored; TaskOptions are its own options.
	Task        string         `yaml:"task"`
	Data        any            `yaml:"data"`
	EvalData    any            `yaml:"eval_data"`
	TaskOptions map[string]any `yaml:"task_options"`
	// MaxLength cuts rows to that many tokens; 0 is the model's length.
	MaxLength int `yaml:"max_length"`

	// Method is an adapter method (mora, lora, …) or "full", which trains every parameter. Adapter holds its PEFT keys
	// (r, lora_alpha, mora_type, target_modules …).
	Method  string         `yaml:"method"`
	Adapter map[string]any `yaml:"-"`

	MaxSteps                  int     `yaml:"max_steps"`
	NumTrainEpochs            float64 `yaml:"num_train_epochs"`
	PerDeviceTrainBatchSize   int     `yaml:"per_device_train_batch_size"`
	GradientAccumulationSteps int     `yaml:"gradient_accumulation_steps"`
	LearningRate              float64 `yaml:"learning_rate"`
	LRSchedulerType           string  `yaml:"lr_scheduler_type"`
	WarmupSteps               int     `yaml:"warmup_steps"`
	WarmupRatio               float64 `yaml:"warmup_ratio"`
	// MinLRRatio is the least factor that the schedule comes down to.
	MinLRRatio  float64 `yaml:"min_lr_ratio" json:",omitempty"`
	WeightDecay float64 `yaml:"weight_decay"`
	AdamBeta1   float64 `yaml:"adam_beta1"`
	AdamBeta2   float64 `yaml:"adam_beta2"`
	AdamEpsilon float64 `yaml:"adam_epsilon"`
	// MaxGradNorm clips the gradients' global norm; 0 leaves them.
	MaxGradNorm float64 `yaml:"max_grad_norm"`

	// ReLoRASteps folds the adapter into the base every so many steps and starts it anew, with a new optimizer state
	// (ReLoRA; ReMoRA with method mora); 0 never. Behind a restart the rate warms up over ReLoRAWarmupSteps.
	// ReLoRAMoRATypes are the mora_types that restarts go through, the first one at the start; empty keeps the method's.
	ReLoRASteps       int   `yaml:"relora_steps" json:",omitempty"`
	ReLoRAWarmupSteps int   `yaml:"relora_warmup_steps" json:",omitempty"`
	ReLoRAMoRATypes   []int `yaml:"relora_mora_types" json:",omitempty"`

	// EvalSteps evaluates every so many steps and at the end; 0 only at the end.
	EvalSteps int `yaml:"eval_steps"`
	// EvalExamples is how many held-out examples are answered and scored; 0 none where answers are generated, else all (the
	// held-out loss is always taken).
	EvalExamples int `yaml:"eval_examples"`
	// EarlyStoppingPatience ends the run when that many evaluations in a row were no better; 0 never.
	EarlyStoppingPatience int `yaml:"early_stopping_patience"`
	// MetricForBestModel chooses the checkpoint that is kept as best: "loss" (held-out) or "score".
	MetricForBestModel string `yaml:"metric_for_best_model"`
	// LoadBestModelAtEnd saves the best evaluation's weights as the run's result instead of the last.
	LoadBestModelAtEnd bool `yaml:"load_best_model_at_end"`
	// SaveSteps writes a checkpoint every so many steps; 0 only at the end. SaveTotalLimit keeps so many of them.
	SaveSteps      int `yaml:"save_steps"`
	SaveTotalLimit int `yaml:"save_total_limit"`
	LoggingSteps   int `yaml:"logging_steps"`

	Seed      uint64 `yaml:"seed"`
	OutputDir string `yaml:"output_dir"`

	// MaxTokensPerMicroBatch is about how many tokens run at once: a batch runs in slices of whole rows. 0 goes by the model: 512, or
	// up to twice as many where a token takes little memory.
	MaxTokensPerMicroBatch int `yaml:"slice_tokens"`
	// GradientCheckpointing is "none", "block" (every layer is run again in the backward pass, which takes less memory and
	// more time, to the same bits) or "auto": block only where the run would not keep to Memory otherwise.
	GradientCheckpointing string `yaml:"gradient_checkpointing" json:",omitempty"`
	// Memory is how much the run may take, such as 4GiB; empty is no limit.
	Memory string `yaml:"memory" json:",omitempty"`

	// Compare runs the recipe once for each entry, with the entry's keys in place of its own, and reports them side by
	// side. Every entry has a name, its folder below output_dir.
	Compare []map[string]any `yaml:"compare"`

	// Search is what Table tries before a run, and train does not: a list has values of its key, of which the best are
	// kept; any other value replaces the run's own meanwhile (max_steps, say).
	Search map[string]any `yaml:"search" json:",omitempty"`
	// EvalTasks are what Table scores the trained model on.
	EvalTasks []EvalTask `yaml:"benchmarks" json:",omitempty"`
}

// EvalTask is a column of a table: a task's eval split, of which Limit examples are answered (0: all). Metric is the
// task's figure that counts; empty is its score.
type EvalTask struct {
	Name    string         `yaml:"name"`
	Task    string         `yaml:"task"`
	Options map[string]any `yaml:"options"`
	Limit   int            `yaml:"limit"`
	Metric  string         `yaml:"metric"`
}

// Default is a Config with Hugging Face Trainer's defaults, but for a rate and a schedule that suit adapters.
func Default() Config {
	return Config{
		Method: "mora", NumTrainEpochs: 1, PerDeviceTrainBatchSize: 8, GradientAccumulationSteps: 1, LearningRate: 3e-4,
		LRSchedulerType: "cosine", WarmupRatio: 0.03, AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8, MaxGradNorm: 1,
		ReLoRAWarmupSteps: 50, MetricForBestModel: "loss", SaveTotalLimit: 2, LoggingSteps: 10, Seed: 42,
	}
}

// Check says which key has a value that cannot be.
func (c *Config) Check() error {
	for _, k := range []struct {
		key  string
		v    float64
		min  float64
		max  float64
		want string
	}{
		{"max_steps", float64(c.MaxSteps), 0, 1e9, "0 (by num_train_epochs) or more"},
		{"num_train_epochs", c.NumTrainEpochs, 0, 1e6, "0 or more"},
		{"per_device_train_batch_size", float64(c.PerDeviceTrainBatchSize), 1, 1e6, "1 or more"},
		{"gradient_accumulation_steps", float64(c.GradientAccumulationSteps), 1, 1e6, "1 or more"},
		{"learning_rate", c.LearningRate, 0, 1e30, "0 or more"},
		{"warmup_steps", float64(c.WarmupSteps), 0, 1e9, "0 or more"},
		{"warmup_ratio", c.WarmupRatio, 0, 1, "0 to 1"},
		{"min_lr_ratio", c.MinLRRatio, 0, 1, "0 to 1"},
		{"relora_steps", float64(c.ReLoRASteps), 0, 1e9, "0 (no restarts) or more"},
		{"relora_warmup_steps", float64(c.ReLoRAWarmupSteps), 0, 1e9, "0 or more"},
		{"weight_decay", c.WeightDecay, 0, 1e3, "0 or more"},
		{"adam_beta1", c.AdamBeta1, 0, 1 - 1e-12, "0 or more, below 1"},
		{"adam_beta2", c.AdamBeta2, 0, 1 - 1e-12, "0 or more, below 1"},
		{"adam_epsilon", c.AdamEpsilon, 1e-30, 1, "above 0"},
		{"max_grad_norm", c.MaxGradNorm, 0, 1e9, "0 (no clipping) or more"},
		{"eval_steps", float64(c.EvalSteps), 0, 1e9, "0 or more"},
		{"eval_examples", float64(c.EvalExamples), 0, 1e9, "0 or more"},
		{"early_stopping_patience", float64(c.EarlyStoppingPatience), 0, 1e9, "0 or more"},
		{"save_steps", float64(c.SaveSteps), 0, 1e9, "0 or more"},
		{"save_total_limit", float64(c.SaveTotalLimit), 1, 1e9, "1 or more"},
		{"logging_steps", float64(c.LoggingSteps), 1, 1e9, "1 or more"},
		{"slice_tokens", float64(c.MaxTokensPerMicroBatch), 0, 1e9, "0 (by the model) or more"},
		{"max_length", float64(c.MaxLength), 0, 1e9, "0 or more"},
	} {
		if math.IsNaN(k.v) || k.v < k.min || k.v > k.max {
			return fmt.Errorf("%s is %g; want %s", k.key, k.v, k.want)
		}
	}
	if c.MetricForBestModel != "loss" && c.MetricForBestModel != "score" {
		return fmt.Errorf("metric_for_best_model is %q; want loss or score", c.MetricForBestModel)
	}
	if c.MetricForBestModel == "score" && c.EvalExamples == 0 && !scoresFromHead(c.Task) {
		return fmt.Errorf("metric_for_best_model is score, but eval_examples is 0: nothing is scored")
	}
	if m := c.GradientCheckpointing; m != "" && !slices.Contains(checkpointModes, m) {
		return fmt.Errorf("gradient_checkpointing is %q; want %s", m, strings.Join(checkpointModes, ", "))
	}
	if _, err := c.memory(); err != nil {
		return err
	}
	if err := c.checkRestarts(); err != nil {
		return err
	}
	_, err := Schedule(c.LRSchedulerType, 0, 1, c.MinLRRatio)
	return err
}

// WholeModel says whether the run results in a model, not in an adapter.
func (c *Config) WholeModel() bool { return c.Method == "full" || c.ReLoRASteps > 0 }

// checkRestarts says what is wrong with the keys of restarts.
func (c *Config) checkRestarts() error {
	switch {
	case c.ReLoRASteps == 0 && len(c.ReLoRAMoRATypes) > 0:
		return fmt.Errorf("relora_mora_types is set, relora_steps is not")
	case c.ReLoRASteps == 0:
		return nil
	case c.Method == "full":
		return fmt.Errorf("relora_steps needs an adapter; method full trains all parameters at once")
	case len(c.ReLoRAMoRATypes) > 0 && c.Method != "mora":
		return fmt.Errorf("relora_mora_types is for method mora, not %s", c.Method)
	case c.LoadBestModelAtEnd:
		return fmt.Errorf("load_best_model_at_end does not go with relora_steps: an earlier adapter belongs to an earlier base")
	}
	for _, t := range c.ReLoRAMoRATypes {
		if _, err := adapter.New("mora", map[string]any{"mora_type": t}); err != nil {
			return fmt.Errorf("relora_mora_types: %w", err)
		}
	}
	return nil
}

// memory is Memory in bytes; 0 is no limit.
func (c *Config) memory() (int, error) {
	if c.Memory == "" {
		return 0, nil
	}
	n, err := ParseSize(c.Memory)
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	return n, nil
}

// modelConfig is the config.json that ModelConfig names or is.
func (c *Config) modelConfig() ([]byte, error) {
	if path, ok := c.ModelConfig.(string); ok {
		return os.ReadFile(path)
	}
	raw, err := json.Marshal(c.ModelConfig)
	if err != nil {
		return nil, fmt.Errorf("model_config: %w", err)
	}
	return raw, nil
}

// plan is how many steps a run over rows takes and how many of them warm up.
func (c *Config) plan(rows int) (perEpoch, total, warmup int) {
	window := c.PerDeviceTrainBatchSize * c.GradientAccumulationSteps
	perEpoch = (rows + window - 1) / window
	total = c.MaxSteps
	if total == 0 {
		total = int(math.Ceil(c.NumTrainEpochs * float64(perEpoch)))
	}
	warmup = c.WarmupSteps
	if warmup == 0 {
		warmup = int(math.Ceil(c.WarmupRatio * float64(total)))
	}
	return perEpoch, total, warmup
}
