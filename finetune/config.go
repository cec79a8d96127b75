package finetune

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks/data"
)

// Config is a run. Model, Task, Method and Train decide its course: what numbers come out. Eval, Save and Memory do not, so
// a run may go on with others.
type Config struct {
	Model  ModelSpec
	Task   TaskSpec
	Method MethodSpec
	Train  TrainSpec
	Eval   EvalSpec
	Save   SaveSpec
	Memory MemorySpec
}

// ModelSpec is what is trained. The tags of this and the other parts are a recipe's keys.
type ModelSpec struct {
	// Path is a Hugging Face folder, or "embedded" for the tiny base in the binary.
	Path string `yaml:"model"`
	// Config, where Path is empty, is the config.json of a model that is trained from random weights.
	Config ConfigFile `yaml:"model_config"`
	// Tokenizer is the folder of the tokenizer, or "embedded"; empty is the model's own.
	Tokenizer string `yaml:"tokenizer"`
	// Numerics is "huggingface" (as transformers computes, the default) or "cybertron" (as Cybertron does, for models that it
	// is to serve).
	Numerics string `yaml:"numerics"`
}

// TaskSpec is what the model learns.
type TaskSpec struct {
	// Name is the registered task: how data become examples, and how answers are scored.
	Name string `yaml:"task"`
	// Data are the files to train on, EvalData those of the eval split; see the task for its default.
	Data     data.Sources `yaml:"data"`
	EvalData data.Sources `yaml:"eval_data"`
	// Options are the task's own, by the JSON keys of its struct.
	Options map[string]any `yaml:"task_options"`
	// MaxLength cuts rows to that many tokens; 0 is the model's length.
	MaxLength int `yaml:"max_length"`
}

// MethodSpec is what trains.
type MethodSpec struct {
	// Name is a registered adapter method (mora, lora, …) or "full", which trains every parameter.
	Name string `yaml:"method"`
	// Settings are the method's, by their PEFT keys (r, lora_alpha, mora_type, target_modules …). In a recipe they stand
	// beside the other keys.
	Settings map[string]any `yaml:"-"`
}

// TrainSpec is how it is trained. Names and defaults are those of Hugging Face Trainer.
type TrainSpec struct {
	MaxSteps                  int     `yaml:"max_steps"`
	NumTrainEpochs            float64 `yaml:"num_train_epochs"`
	PerDeviceTrainBatchSize   int     `yaml:"per_device_train_batch_size"`
	GradientAccumulationSteps int     `yaml:"gradient_accumulation_steps"`
	LearningRate              float64 `yaml:"learning_rate"`
	LRSchedulerType           string  `yaml:"lr_scheduler_type"`
	WarmupSteps               int     `yaml:"warmup_steps"`
	WarmupRatio               float64 `yaml:"warmup_ratio"`
	// MinLRRatio is the least factor that the schedule comes down to.
	MinLRRatio  float64 `yaml:"min_lr_ratio"`
	WeightDecay float64 `yaml:"weight_decay"`
	AdamBeta1   float64 `yaml:"adam_beta1"`
	AdamBeta2   float64 `yaml:"adam_beta2"`
	AdamEpsilon float64 `yaml:"adam_epsilon"`
	// MaxGradNorm clips the gradients' global norm; 0 leaves them.
	MaxGradNorm float64 `yaml:"max_grad_norm"`

	// ReLoRASteps folds the adapter into the base every that many steps and restarts it, with a new optimizer state (ReLoRA;
	// ReMoRA with method mora); 0 never. After a restart the rate warms up over ReLoRAWarmupSteps. ReLoRAMoRATypes are the
	// mora_types that restarts go through, the first one at the start; empty keeps the method's.
	ReLoRASteps       int   `yaml:"relora_steps"`
	ReLoRAWarmupSteps int   `yaml:"relora_warmup_steps"`
	ReLoRAMoRATypes   []int `yaml:"relora_mora_types"`

	// EarlyStoppingPatience ends the run when that many evaluations in a row were no better; 0 never.
	EarlyStoppingPatience int `yaml:"early_stopping_patience"`
	// MetricForBestModel chooses the checkpoint that is kept as best: "loss" (held-out) or "score".
	MetricForBestModel string `yaml:"metric_for_best_model"`
	// LoadBestModelAtEnd saves the best evaluation's weights as the run's result instead of the last.
	LoadBestModelAtEnd bool `yaml:"load_best_model_at_end"`

	Seed uint64 `yaml:"seed"`
	// MaxTokensPerMicroBatch is about how many tokens run at once: a batch runs in micro-batches of whole rows. 0 goes by
	// the model: 512, or up to twice as many where a token takes little memory.
	MaxTokensPerMicroBatch int `yaml:"slice_tokens"`
}

// EvalSpec is when and on what the model is evaluated.
type EvalSpec struct {
	// Steps evaluates every that many steps and at the end; 0 only at the end.
	Steps int `yaml:"eval_steps"`
	// Examples is how many held-out examples are answered and scored; 0 none where answers are generated, else all (the
	// held-out loss is always taken).
	Examples int `yaml:"eval_examples"`
}

// SaveSpec is what is written, and when.
type SaveSpec struct {
	OutputDir string `yaml:"output_dir"`
	// BaseModel is what adapter_config.json says the base is, such as a model's id on the Hugging Face Hub. Empty is the id
	// that a folder in the Hub's cache shows, else the name of the model's folder.
	BaseModel string `yaml:"base_model"`
	// Steps writes a checkpoint every that many steps; 0 only at the end. TotalLimit is how many of them are kept.
	Steps      int `yaml:"save_steps"`
	TotalLimit int `yaml:"save_total_limit"`
	// LoggingSteps writes a line of metrics every that many steps.
	LoggingSteps int `yaml:"logging_steps"`
}

// MemorySpec is how much memory a run takes. It changes no number.
type MemorySpec struct {
	// GradientCheckpointing is "none", "block" (every layer is run again in the backward pass, which takes less memory and
	// more time) or "auto": block only where the run would not keep to Limit otherwise.
	GradientCheckpointing string `yaml:"gradient_checkpointing"`
	// Limit is how much the run may take, such as 4GiB; empty is no limit.
	Limit string `yaml:"memory"`
}

// ConfigFile is a config.json: a file's path, or the content itself.
type ConfigFile struct {
	Path string
	JSON json.RawMessage
}

// Empty says whether there is none.
func (f ConfigFile) Empty() bool { return f.Path == "" && len(f.JSON) == 0 }

// Read returns the content.
func (f ConfigFile) Read() ([]byte, error) {
	if f.Path != "" {
		return os.ReadFile(f.Path)
	}
	return f.JSON, nil
}

// Default is a Config with Hugging Face Trainer's defaults, but for a rate and a schedule that suit adapters.
func Default() Config {
	return Config{
		Method: MethodSpec{Name: "mora"},
		Train: TrainSpec{
			NumTrainEpochs: 1, PerDeviceTrainBatchSize: 8, GradientAccumulationSteps: 1, LearningRate: 3e-4,
			LRSchedulerType: "cosine", WarmupRatio: 0.03, AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8, MaxGradNorm: 1,
			ReLoRAWarmupSteps: 50, MetricForBestModel: "loss", Seed: 42,
		},
		Save: SaveSpec{TotalLimit: 2, LoggingSteps: 10},
	}
}

// Check says which key has a value that cannot be.
func (c *Config) Check() error {
	t := &c.Train
	for _, k := range []struct {
		key  string
		v    float64
		min  float64
		max  float64
		want string
	}{
		{"max_steps", float64(t.MaxSteps), 0, 1e9, "0 (by num_train_epochs) or more"},
		{"num_train_epochs", t.NumTrainEpochs, 0, 1e6, "0 or more"},
		{"per_device_train_batch_size", float64(t.PerDeviceTrainBatchSize), 1, 1e6, "1 or more"},
		{"gradient_accumulation_steps", float64(t.GradientAccumulationSteps), 1, 1e6, "1 or more"},
		{"learning_rate", t.LearningRate, 0, 1e30, "0 or more"},
		{"warmup_steps", float64(t.WarmupSteps), 0, 1e9, "0 or more"},
		{"warmup_ratio", t.WarmupRatio, 0, 1, "0 to 1"},
		{"min_lr_ratio", t.MinLRRatio, 0, 1, "0 to 1"},
		{"relora_steps", float64(t.ReLoRASteps), 0, 1e9, "0 (no restarts) or more"},
		{"relora_warmup_steps", float64(t.ReLoRAWarmupSteps), 0, 1e9, "0 or more"},
		{"weight_decay", t.WeightDecay, 0, 1e3, "0 or more"},
		{"adam_beta1", t.AdamBeta1, 0, 1 - 1e-12, "0 or more, below 1"},
		{"adam_beta2", t.AdamBeta2, 0, 1 - 1e-12, "0 or more, below 1"},
		{"adam_epsilon", t.AdamEpsilon, 1e-30, 1, "above 0"},
		{"max_grad_norm", t.MaxGradNorm, 0, 1e9, "0 (no clipping) or more"},
		{"eval_steps", float64(c.Eval.Steps), 0, 1e9, "0 or more"},
		{"eval_examples", float64(c.Eval.Examples), 0, 1e9, "0 or more"},
		{"early_stopping_patience", float64(t.EarlyStoppingPatience), 0, 1e9, "0 or more"},
		{"save_steps", float64(c.Save.Steps), 0, 1e9, "0 or more"},
		{"save_total_limit", float64(c.Save.TotalLimit), 1, 1e9, "1 or more"},
		{"logging_steps", float64(c.Save.LoggingSteps), 1, 1e9, "1 or more"},
		{"slice_tokens", float64(t.MaxTokensPerMicroBatch), 0, 1e9, "0 (by the model) or more"},
		{"max_length", float64(c.Task.MaxLength), 0, 1e9, "0 or more"},
	} {
		if math.IsNaN(k.v) || k.v < k.min || k.v > k.max {
			return fmt.Errorf("%s is %g; want %s", k.key, k.v, k.want)
		}
	}
	if t.MetricForBestModel != "loss" && t.MetricForBestModel != "score" {
		return fmt.Errorf("metric_for_best_model is %q; want loss or score", t.MetricForBestModel)
	}
	if t.MetricForBestModel == "score" && c.Eval.Examples == 0 && !scoresFromHead(c.Task.Name) {
		return fmt.Errorf("metric_for_best_model is score, but eval_examples is 0: nothing is scored")
	}
	if m := c.Memory.GradientCheckpointing; m != "" && !slices.Contains(checkpointModes, m) {
		return fmt.Errorf("gradient_checkpointing is %q; want %s", m, strings.Join(checkpointModes, ", "))
	}
	if _, err := c.Memory.limit(); err != nil {
		return err
	}
	if err := c.checkRestarts(); err != nil {
		return err
	}
	_, err := Schedule(t.LRSchedulerType, 0, 1, t.MinLRRatio)
	return err
}

// WholeModel says whether the run results in a model, not in an adapter.
func (c *Config) WholeModel() bool { return c.Method.Name == "full" || c.Train.ReLoRASteps > 0 }

// baseModel is how the adapter's settings name its base.
func (c *Config) baseModel() string {
	switch {
	case c.Save.BaseModel != "":
		return c.Save.BaseModel
	case c.Model.Path == infer.Embedded:
		return infer.Embedded
	}
	return adapter.BaseModelName(c.Model.Path)
}

// checkRestarts says what is wrong with the keys of restarts.
func (c *Config) checkRestarts() error {
	t := &c.Train
	switch {
	case t.ReLoRASteps == 0 && len(t.ReLoRAMoRATypes) > 0:
		return fmt.Errorf("relora_mora_types is set, relora_steps is not")
	case t.ReLoRASteps == 0:
		return nil
	case c.Method.Name == "full":
		return fmt.Errorf("relora_steps needs an adapter; method full trains all parameters at once")
	case len(t.ReLoRAMoRATypes) > 0 && c.Method.Name != "mora":
		return fmt.Errorf("relora_mora_types is for method mora, not %s", c.Method.Name)
	case t.LoadBestModelAtEnd:
		return fmt.Errorf("load_best_model_at_end does not go with relora_steps: an earlier adapter belongs to an earlier base")
	}
	for _, m := range t.ReLoRAMoRATypes {
		if _, err := adapter.New("mora", map[string]any{"mora_type": m}); err != nil {
			return fmt.Errorf("relora_mora_types: %w", err)
		}
	}
	return nil
}

// limit is Limit in bytes; 0 is no limit.
func (m *MemorySpec) limit() (int, error) {
	if m.Limit == "" {
		return 0, nil
	}
	n, err := ParseSize(m.Limit)
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	return n, nil
}

// batch is how many rows a step takes.
func (t *TrainSpec) batch() int { return t.PerDeviceTrainBatchSize * t.GradientAccumulationSteps }

// plan is how many steps a run over rows takes and how many of them warm up.
func (t *TrainSpec) plan(rows int) (perEpoch, total, warmup int) {
	perEpoch = (rows + t.batch() - 1) / t.batch()
	total = t.MaxSteps
	if total == 0 {
		total = int(math.Ceil(t.NumTrainEpochs * float64(perEpoch)))
	}
	warmup = t.WarmupSteps
	if warmup == 0 {
		warmup = int(math.Ceil(t.WarmupRatio * float64(total)))
	}
	return perEpoch, total, warmup
}
