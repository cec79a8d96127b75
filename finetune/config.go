package finetune

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// Config describes a run. Model, Task, Method and Train decide the numbers that come out. Eval, Save and Memory do not,
// so a run may be resumed with other values of them.
type Config struct {
	Model  ModelSpec
	Task   TaskSpec
	Method MethodSpec
	Train  TrainSpec
	Eval   EvalSpec
	Save   SaveSpec
	Memory MemorySpec
}

// ModelSpec says which model is trained. The yaml tags of this and the other parts are the keys of a recipe.
type ModelSpec struct {
	// Path is a Hugging Face folder, or "embedded" for the tiny base in the binary.
	Path string `yaml:"model"`
	// Config is the config.json of a model to train from random weights. It is used if Path is empty.
	Config ConfigFile `yaml:"model_config"`
	// Tokenizer is the tokenizer's folder, or "embedded". If it is empty, the model's own is used.
	Tokenizer string `yaml:"tokenizer"`
	// ChatTemplate gives the model a chat template: one of chat.BuiltinNames, or a file. A builtin template may add special
	// tokens: their rows of the embeddings are trained, and saved with the tokenizer in the run's result. If it is empty, the
	// tokenizer's own template is used.
	ChatTemplate string `yaml:"chat_template" json:",omitempty"`
	// Numerics is "huggingface" (the default: compute as transformers does) or "cybertron" (compute as Cybertron does,
	// for models that Cybertron will serve).
	Numerics string `yaml:"numerics"`
}

// TaskSpec says what the model learns.
type TaskSpec struct {
	// Name is the name of a registered task, which turns data into examples and scores answers.
	Name string `yaml:"task"`
	// Data lists the files to train on, EvalData those of the eval split. Each task documents its own default.
	Data     data.Sources `yaml:"data"`
	EvalData data.Sources `yaml:"eval_data"`
	// Columns says which columns of the files hold the fields that the task reads: {messages: conversations} takes the column
	// conversations for messages. A recipe may call it columns, too; as a list that is the columns of a table.
	Columns data.ColumnMapping `yaml:"column_mapping"`
	// Streaming reads the training data while the run goes on, in bounded memory, and again from their beginning at their end. It
	// needs max_steps. What is held out are the first records (the option eval_size, 100 by default), unless there is EvalData. A
	// resumed run reads the data up to where it was.
	Streaming bool `yaml:"streaming"`
	// ShuffleBufferSize is how many rows wait for their turn where Streaming is set: each step draws from them at random, and rows of
	// the files take the places. 1 keeps the order of the files; 0, the default, means 1000.
	ShuffleBufferSize int `yaml:"shuffle_buffer_size"`
	// Options are the task's own options (docs/data.md), by the JSON keys of its struct.
	Options map[string]any `yaml:"task_options"`
	// MaxLength truncates rows to this many tokens; 0 means the model's maximum length.
	MaxLength int `yaml:"max_length"`
}

// MethodSpec says which parameters train.
type MethodSpec struct {
	// Name is a registered adapter method (mora, lora, …), or "full" to train every parameter. Where Adapter is set, it is
	// that adapter's method, or empty.
	Name string `yaml:"method"`
	// Adapter is the folder of an adapter that the run goes on from, with other data, steps or rates. Its method, settings
	// and head are kept: it excludes the method's own keys.
	Adapter string `yaml:"adapter"`
	// Settings are the method's settings, by their PEFT keys (r, lora_alpha, mora_type, target_modules …). In a recipe
	// they are top-level keys like all others.
	Settings map[string]any `yaml:"-"`
}

// TrainSpec says how the model is trained. Names and defaults are those of Hugging Face's Trainer.
type TrainSpec struct {
	// MaxSteps is the number of steps; 0 or -1 means by NumTrainEpochs.
	MaxSteps int `yaml:"max_steps"`
	// NumTrainEpochs is how often the run goes over the data, unless MaxSteps ends it.
	NumTrainEpochs float64 `yaml:"num_train_epochs"`
	// PerDeviceTrainBatchSize is the number of rows of a step, times GradientAccumulationSteps and the number of ranks.
	PerDeviceTrainBatchSize int `yaml:"per_device_train_batch_size"`
	// GradientAccumulationSteps multiplies the rows of a step.
	GradientAccumulationSteps int `yaml:"gradient_accumulation_steps"`
	// LearningRate is the largest learning rate, after the warm-up.
	LearningRate float64 `yaml:"learning_rate"`
	// LRSchedulerType is the course of the learning rate after the warm-up, by Trainer's name: constant, linear, cosine …
	LRSchedulerType string `yaml:"lr_scheduler_type"`
	// LRSchedulerKwargs are the schedule's own keys, such as num_cycles.
	LRSchedulerKwargs map[string]any `yaml:"lr_scheduler_kwargs"`
	// WarmupSteps is the number of steps of warm-up, or below 1 a share of all steps. Without it, WarmupRatio says that share.
	WarmupSteps *float64 `yaml:"warmup_steps"`
	// WarmupRatio is the share of all steps in which the learning rate rises.
	WarmupRatio float64 `yaml:"warmup_ratio"`
	// MinLRRatio is the factor of LearningRate at which the schedule ends.
	MinLRRatio float64 `yaml:"min_lr_ratio"`
	// Optim is the optimizer, by Trainer's name: adamw_torch, adamw_8bit (AdamW whose moments have 8 bits, as bitsandbytes computes it),
	// adafactor, sgd or lion_32bit.
	Optim string `yaml:"optim"`
	// OptimArgs are settings that the optimizer alone has, as Trainer's users write them. sgd has some: momentum=0.9, dampening=0.1,
	// nesterov=true.
	OptimArgs string `yaml:"optim_args"`
	// WeightDecay is the weight decay. It is added to the gradient with sgd, and is apart from it with all others.
	WeightDecay float64 `yaml:"weight_decay"`
	// WeightDecayAll lets norms and biases decay too, which Trainer leaves out.
	WeightDecayAll bool `yaml:"weight_decay_all"`
	// AdamBeta1, AdamBeta2 and AdamEpsilon are the constants of AdamW; lion_32bit takes the betas.
	AdamBeta1   float64 `yaml:"adam_beta1"`
	AdamBeta2   float64 `yaml:"adam_beta2"`
	AdamEpsilon float64 `yaml:"adam_epsilon"`
	// MaxGradNorm clips the global norm of the gradients; 0 does not clip.
	MaxGradNorm float64 `yaml:"max_grad_norm"`

	// ModelDropout applies the dropout that the model's config.json names, as transformers does in training.
	ModelDropout bool `yaml:"model_dropout"`
	// LabelSmoothingFactor is the part of each label that is spread evenly over all classes or tokens, in training only.
	LabelSmoothingFactor float64 `yaml:"label_smoothing_factor"`
	// NEFTuneNoiseAlpha is the size of the noise on embeddings in training (NEFTune); 0 is none.
	NEFTuneNoiseAlpha float64 `yaml:"neftune_noise_alpha"`

	// ReLoRASteps is the interval, in steps, at which the adapter is merged into the base and restarted with a new
	// optimizer state (ReLoRA; with method mora, ReMoRA). 0 means never. After a restart the learning rate warms up
	// over ReLoRAWarmupSteps. ReLoRAMoRATypes lists the mora_types that the run cycles through, the first one from the
	// start; if it is empty, the method's type is kept.
	ReLoRASteps       int   `yaml:"relora_steps"`
	ReLoRAWarmupSteps int   `yaml:"relora_warmup_steps"`
	ReLoRAMoRATypes   []int `yaml:"relora_mora_types"`
	// ReLoRASchedule says what the learning rate does after a restart: "jagged" (ReLoRA's) warms up to the schedule that goes
	// on, "restarted" begins the schedule again, from the last rate and over the steps that are left, as the published
	// implementation of MoRA does by default.
	ReLoRASchedule string `yaml:"relora_schedule"`

	// EarlyStoppingPatience ends the run after this many evaluations in a row without improvement; 0 never ends it
	// early.
	EarlyStoppingPatience int `yaml:"early_stopping_patience"`
	// StopAtScore ends the run at the first evaluation after a step whose score is at least this; 0 never does.
	StopAtScore float64 `yaml:"stop_at_score"`
	// MetricForBestModel decides which weights are kept as the best: "loss" (of the held-out data) or "score".
	MetricForBestModel string `yaml:"metric_for_best_model"`
	// LoadBestModelAtEnd saves the weights of the best evaluation as the run's result, not the last ones.
	LoadBestModelAtEnd bool `yaml:"load_best_model_at_end"`

	// BF16 rounds the factors of matrix products to bfloat16 in training and for the held-out loss, as Trainer's bf16 does
	// with autocast. Sums, parameters, gradients and the optimizer stay float32 (see op.Pass). Answers are scored in float32.
	BF16 bool `yaml:"bf16"`

	// Seed decides everything that is random: the order of rows, the adapter's start, dropout.
	Seed uint64 `yaml:"seed"`
	// MaxTokensPerMicroBatch is how many tokens a micro-batch may have. A batch runs in micro-batches of whole rows,
	// and a longer row is a micro-batch of its own. 0 depends on the model: 512, or up to 1,024 if a token takes little
	// memory. How rows are grouped decides the order of sums, so another value gives other bits, and a resumed run refuses
	// it.
	MaxTokensPerMicroBatch int `yaml:"slice_tokens"`

	ranks int // that the run was begun with; 0 is 1
}

// EvalSpec says when and on what the model is evaluated.
type EvalSpec struct {
	// Steps is the interval between evaluations, in steps; 0 evaluates only at the end.
	Steps int `yaml:"eval_steps"`
	// Examples is how many held-out examples are answered and scored. 0 means none if answers are generated, all of
	// them otherwise. The held-out loss is always computed.
	Examples int `yaml:"eval_examples"`
}

// SaveSpec says what is written, and when.
type SaveSpec struct {
	// OutputDir is the folder of the run.
	OutputDir string `yaml:"output_dir"`
	// BaseModel is what adapter_config.json says that the base is, such as a model's id on the Hugging Face Hub. Empty means
	// the id that a folder in the Hub's cache shows, or else the name of the model's folder.
	BaseModel string `yaml:"base_model"`
	// Steps is the interval between checkpoints, in steps; 0 writes one only at the end. TotalLimit is how many are
	// kept.
	Steps      int `yaml:"save_steps"`
	TotalLimit int `yaml:"save_total_limit"`
	// Minutes is the time between checkpoints, beside Steps; 0 writes none by the clock.
	Minutes float64 `yaml:"save_minutes"`
	// LoggingSteps is the interval between lines of metrics, in steps.
	LoggingSteps int `yaml:"logging_steps"`
}

// MemorySpec bounds the memory of a run. It changes no result.
type MemorySpec struct {
	// GradientCheckpointing is "none", "block" (recompute every layer in the backward pass: less memory, more time) or
	// "auto" (the default: block only if the run would exceed Limit otherwise).
	GradientCheckpointing string `yaml:"gradient_checkpointing"`
	// Limit is how much memory the run may take, such as 4GiB, the pages of model files included. A run that would take more is
	// refused before its first step. An empty Limit is the memory of the machine, or of the process's control group if that is
	// less; pages of files, which the system can drop, do not count then. "unlimited" starts the run whatever the estimate is.
	Limit string `yaml:"memory"`
	// Prepack keeps frozen matrices as products want them, too (see model.Model.Prepack): more memory, less time for short texts.
	Prepack bool `yaml:"prepack"`
}

// ConfigFile is a config.json: either the path of the file or its content.
type ConfigFile struct {
	Path string
	JSON json.RawMessage
}

// Empty reports whether neither a path nor content is given.
func (f ConfigFile) Empty() bool { return f.Path == "" && len(f.JSON) == 0 }

// Read returns the content.
func (f ConfigFile) Read() ([]byte, error) {
	if f.Path != "" {
		return input.ReadFile(f.Path)
	}
	return f.JSON, nil
}

// Default returns a Config with the defaults of Hugging Face's Trainer, except for a learning rate and a schedule that
// suit adapters.
func Default() Config {
	return Config{
		Method: MethodSpec{Name: "mora"},
		Train: TrainSpec{
			NumTrainEpochs: 1, PerDeviceTrainBatchSize: 8, GradientAccumulationSteps: 1, LearningRate: 3e-4,
			LRSchedulerType: "cosine", WarmupRatio: 0.03, Optim: optim.Default, AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8, MaxGradNorm: 1, ModelDropout: true,
			ReLoRAWarmupSteps: 50, ReLoRASchedule: jaggedSchedule, MetricForBestModel: "loss", Seed: 42,
		},
		Save: SaveSpec{TotalLimit: 2, Minutes: 10, LoggingSteps: 10},
	}
}

// Check returns an error that names the first key with an invalid value.
func (c *Config) Check() error {
	if err := c.checkRanges(); err != nil {
		return err
	}
	t := &c.Train
	if t.MetricForBestModel != "loss" && t.MetricForBestModel != "score" {
		return fmt.Errorf("metric_for_best_model is %q; want loss or score", t.MetricForBestModel)
	}
	if t.MetricForBestModel == "score" && c.Eval.Examples == 0 && !scoresFromHead(c.Task.Name) {
		return fmt.Errorf("metric_for_best_model is score, but eval_examples is 0: nothing is scored")
	}
	if t.StopAtScore > 0 && c.Eval.Examples == 0 && !scoresFromHead(c.Task.Name) {
		return fmt.Errorf("stop_at_score is %g, but eval_examples is 0: nothing is scored", t.StopAtScore)
	}
	if t.EarlyStoppingPatience > 0 && c.Eval.Steps == 0 {
		return fmt.Errorf("early_stopping_patience is %d, but eval_steps is 0: there is no evaluation before the end; set eval_steps", t.EarlyStoppingPatience)
	}
	if c.Task.Streaming && t.MaxSteps <= 0 {
		return errors.New("streaming: max_steps is not set; how many rows there are is not known before they are read, so num_train_epochs says nothing")
	}
	if err := t.checkLength(); err != nil {
		return err
	}
	if _, err := t.optimizer(); err != nil {
		return err
	}
	if m := c.Memory.GradientCheckpointing; m != "" && !slices.Contains(checkpointModes, m) {
		return fmt.Errorf("gradient_checkpointing is %q; want true (block), false (none), %s", m, strings.Join(checkpointModes, ", "))
	}
	if _, err := c.Memory.limit(func() int { return 0 }); err != nil {
		return err
	}
	if err := c.checkRestarts(); err != nil {
		return err
	}
	if err := c.Method.checkAdapter(); err != nil {
		return err
	}
	if a := c.Method.Adapter; a != "" && filepath.Clean(a) == filepath.Clean(c.Save.OutputDir) {
		return fmt.Errorf("adapter and output_dir are both %s: the run would replace the adapter that it goes on from; name another output_dir", a)
	}
	_, err := LRFactors(t.schedule(0, 0))
	return err
}

// optimizer is the rule that moves the parameters.
func (t *TrainSpec) optimizer() (optim.Rule, error) {
	return optim.NewRule(optim.Settings{Optim: t.Optim, AdamBeta1: t.AdamBeta1, AdamBeta2: t.AdamBeta2, AdamEpsilon: t.AdamEpsilon, OptimArgs: t.OptimArgs})
}

// checkLength checks the keys that say how long the run and its warm-up are.
func (t *TrainSpec) checkLength() error {
	if t.MaxSteps <= 0 && t.NumTrainEpochs == 0 {
		return errors.New("num_train_epochs is 0 and max_steps is not set: nothing would be trained")
	}
	w := t.WarmupSteps
	switch {
	case w == nil:
	case *w >= 1 && *w != math.Trunc(*w):
		return fmt.Errorf("warmup_steps is %g; want a whole number of steps, or below 1 a share of all steps", *w)
	case t.MaxSteps > 0 && *w >= 1 && !t.reachesPeak(int(*w), t.MaxSteps):
		return t.warmupOutlasts(t.MaxSteps)
	}
	return nil
}

// reachesPeak reports whether a run of steps comes to learning_rate, which most schedules have after the last step of the warm-up.
func (t *TrainSpec) reachesPeak(warmup, steps int) bool {
	switch {
	case warmup == 0 || t.LRSchedulerType == "constant":
		return true
	case t.LRSchedulerType == "cosine_warmup_with_min_lr": // in that step
		return warmup <= steps
	}
	return warmup < steps
}

func fromPointer(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// warmupOutlasts is the error of a warm-up that is longer than a run of steps.
func (t *TrainSpec) warmupOutlasts(steps int) error {
	if t.WarmupSteps == nil {
		return fmt.Errorf("warmup_ratio is %g, but the run has %d steps: learning_rate would never be reached; want a smaller share, such as 0.1", t.WarmupRatio, steps)
	}
	return fmt.Errorf("warmup_steps is %g, but the run has %d steps: learning_rate would never be reached; want fewer, or a share of all steps such as 0.1", *t.WarmupSteps, steps)
}

// checkRanges checks every key that is a number.
func (c *Config) checkRanges() error {
	t := &c.Train
	for _, k := range []struct {
		key  string
		v    float64
		min  float64
		max  float64
		want string
	}{
		{"max_steps", float64(t.MaxSteps), -1, 1e9, "-1 or 0 (by num_train_epochs), or more"},
		{"num_train_epochs", t.NumTrainEpochs, 0, 1e6, "0 or more"},
		{"per_device_train_batch_size", float64(t.PerDeviceTrainBatchSize), 1, 1e6, "1 or more"},
		{"gradient_accumulation_steps", float64(t.GradientAccumulationSteps), 1, 1e6, "1 or more"},
		{"learning_rate", t.LearningRate, 0, 1e30, "0 or more"},
		{"warmup_steps", fromPointer(t.WarmupSteps), 0, 1e9, "0 or more"},
		{"warmup_ratio", t.WarmupRatio, 0, 1, "0 to 1"},
		{"min_lr_ratio", t.MinLRRatio, 0, 1, "0 to 1"},
		{"relora_steps", float64(t.ReLoRASteps), 0, 1e9, "0 (no restarts) or more"},
		{"relora_warmup_steps", float64(t.ReLoRAWarmupSteps), 0, 1e9, "0 or more"},
		{"weight_decay", t.WeightDecay, 0, 1e3, "0 or more"},
		{"adam_beta1", t.AdamBeta1, 0, 1 - 1e-12, "0 or more, below 1"},
		{"adam_beta2", t.AdamBeta2, 0, 1 - 1e-12, "0 or more, below 1"},
		{"adam_epsilon", t.AdamEpsilon, 1e-30, 1, "above 0"},
		{"max_grad_norm", t.MaxGradNorm, 0, 1e9, "0 (no clipping) or more"},
		{"label_smoothing_factor", t.LabelSmoothingFactor, 0, 1 - 1e-12, "0 or more, below 1"},
		{"neftune_noise_alpha", t.NEFTuneNoiseAlpha, 0, 1e6, "0 (no noise) or more; usual are 5 to 15"},
		{"eval_steps", float64(c.Eval.Steps), 0, 1e9, "0 or more"},
		{"eval_examples", float64(c.Eval.Examples), 0, 1e9, "0 or more"},
		{"early_stopping_patience", float64(t.EarlyStoppingPatience), 0, 1e9, "0 or more"},
		{"stop_at_score", t.StopAtScore, 0, 1, "0 (never) to 1"},
		{"save_minutes", c.Save.Minutes, 0, 1e6, "0 (never) or more"},
		{"save_steps", float64(c.Save.Steps), 0, 1e9, "0 or more"},
		{"save_total_limit", float64(c.Save.TotalLimit), 1, 1e9, "1 or more"},
		{"logging_steps", float64(c.Save.LoggingSteps), 1, 1e9, "1 or more"},
		{"slice_tokens", float64(t.MaxTokensPerMicroBatch), 0, 1e9, "0 (by the model) or more"},
		{"shuffle_buffer_size", float64(c.Task.ShuffleBufferSize), 0, 1e8, "1 (the order of the files) or more, or 0 (1000)"},
		{"max_length", float64(c.Task.MaxLength), 0, 1e9, "0 or more"},
	} {
		if math.IsNaN(k.v) || k.v < k.min || k.v > k.max {
			most := ""
			if k.v > k.max && k.max >= 1e3 { // the others name their bound
				most = fmt.Sprintf(", and %g at most", k.max)
			}
			return fmt.Errorf("%s is %.16g; want %s%s", k.key, k.v, k.want, most)
		}
	}
	return nil
}

// WholeModel reports whether the result of the run is a whole model, not an adapter.
func (c *Config) WholeModel() bool { return c.Method.Name == "full" || c.Train.ReLoRASteps > 0 }

// Base returns the model that the run's adapter belongs to: Model.Path or, if the base has random weights, the folder in
// which the run saves them.
func (c *Config) Base() string {
	if c.randomBase() {
		return filepath.Join(c.Save.OutputDir, randomBaseDir)
	}
	return c.Model.Path
}

// randomBaseDir is the folder, in that of a run from random weights, that holds them: nobody could load them otherwise.
const randomBaseDir = "base"

// randomBase reports whether the run's result is an adapter on random weights.
func (c *Config) randomBase() bool {
	return c.Model.Path == "" && !c.Model.Config.Empty() && !c.WholeModel()
}

// baseModel returns how the adapter's settings name its base.
func (c *Config) baseModel() string {
	switch {
	case c.Save.BaseModel != "":
		return c.Save.BaseModel
	case c.Model.Path == infer.Embedded:
		return infer.Embedded
	case c.randomBase():
		return randomBaseDir
	}
	return adapter.BaseModelName(c.Model.Path)
}

// checkRestarts checks the keys of ReLoRA.
func (c *Config) checkRestarts() error {
	t := &c.Train
	switch {
	case t.ReLoRASteps == 0 && len(t.ReLoRAMoRATypes) > 0:
		return fmt.Errorf("relora_mora_types is set, relora_steps is not")
	case t.ReLoRASchedule != jaggedSchedule && t.ReLoRASchedule != restartedSchedule:
		return fmt.Errorf("relora_schedule is %q; want %s or %s", t.ReLoRASchedule, jaggedSchedule, restartedSchedule)
	case t.ReLoRASteps == 0 && t.ReLoRASchedule != jaggedSchedule:
		return fmt.Errorf("relora_schedule is set, relora_steps is not")
	case t.ReLoRASteps == 0:
		return nil
	case c.Method.Adapter != "":
		return fmt.Errorf("relora_steps starts new adapters; it cannot go on from adapter %s", c.Method.Adapter)
	case c.Method.Name == "full":
		return fmt.Errorf("relora_steps needs an adapter; method full trains all parameters at once")
	case len(t.ReLoRAMoRATypes) > 0 && c.Method.Name != "mora":
		return fmt.Errorf("relora_mora_types is for method mora, not %s", c.Method.Name)
	case t.LoadBestModelAtEnd:
		return fmt.Errorf("load_best_model_at_end cannot be used with relora_steps: an earlier adapter belongs to an earlier base")
	}
	for _, m := range t.ReLoRAMoRATypes {
		if _, err := adapter.New("mora", map[string]any{"mora_type": m}); err != nil {
			return fmt.Errorf("relora_mora_types: %w", err)
		}
	}
	return nil
}

// checkAdapter checks the keys of a run that goes on from an adapter.
func (m *MethodSpec) checkAdapter() error {
	switch {
	case m.Adapter == "":
		return nil
	case m.Name == "full":
		return fmt.Errorf("adapter is %s, method is full; merge the adapter first (finetune merge), and train the result", m.Adapter)
	case len(m.Settings) > 0:
		return fmt.Errorf("%s: the settings come with adapter %s; leave them out", strings.Join(slices.Sorted(maps.Keys(m.Settings)), ", "), m.Adapter)
	}
	return nil
}

// method returns the adapter method: that of Adapter, if the run goes on from one, which must be the named one.
func (m *MethodSpec) method() (adapter.Method, error) {
	if m.Adapter == "" {
		return adapter.New(m.Name, m.Settings)
	}
	own, err := adapter.ReadConfig(m.Adapter)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	if name := adapter.NameOf(own); m.Name != "" && m.Name != name {
		return nil, fmt.Errorf("method is %s, and adapter %s is of method %s, which the run goes on with; leave method out", m.Name, m.Adapter, name)
	}
	return own, nil
}

// batchSize returns the number of rows of an optimizer step.
func (t *TrainSpec) batchSize() int {
	return max(t.ranks, 1) * t.PerDeviceTrainBatchSize * t.GradientAccumulationSteps
}

// plan returns the steps of an epoch over rows, the steps of the whole run, and how many of these warm up.
func (t *TrainSpec) plan(rows int) (perEpoch, total, warmup int) {
	perEpoch = (rows + t.batchSize() - 1) / t.batchSize()
	total = t.MaxSteps
	if total <= 0 {
		total = int(math.Ceil(t.NumTrainEpochs * float64(perEpoch)))
	}
	share := t.WarmupRatio
	if n := t.WarmupSteps; n != nil {
		if share = *n; share >= 1 {
			return perEpoch, total, int(share)
		}
	}
	return perEpoch, total, int(math.Ceil(share * float64(total)))
}

// schedule returns the schedule of a run of total steps, warmup of them for warm-up; 0 is unknown.
func (t *TrainSpec) schedule(warmup, total int) LRSchedule {
	return LRSchedule{Type: t.LRSchedulerType, Kwargs: t.LRSchedulerKwargs, LearningRate: t.LearningRate, Warmup: warmup, Total: total, MinRatio: t.MinLRRatio}
}

// rates returns the number of steps of a run over rows, and the learning rate at each step.
func (t TrainSpec) rates(rows int) (total int, lrAt func(step int) float64, err error) {
	_, total, warmup := t.plan(rows)
	var f func(step int) float64
	if t.ReLoRASteps > 0 && t.ReLoRASchedule == restartedSchedule {
		f, err = restartedFactors(t.schedule(warmup, total), t.ReLoRASteps, t.ReLoRAWarmupSteps)
	} else if f, err = LRFactors(t.schedule(warmup, total)); err == nil {
		f = withRestarts(f, t.ReLoRASteps, t.ReLoRAWarmupSteps)
	}
	if err != nil {
		return 0, nil, err
	}
	return total, func(step int) float64 { return t.LearningRate * f(step) }, nil
}

// scoresFromHead reports whether a task reads its predictions from the model's head and scores them, which is cheap.
func scoresFromHead(task string) bool {
	t, err := tasks.NewPromptBuilder(task, nil)
	_, reads := t.(tasks.Postprocessor)
	_, judges := t.(tasks.Metrics)
	return err == nil && reads && judges
}
