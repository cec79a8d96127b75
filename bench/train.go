package bench

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// Options say what Train measures. All other settings are fixed: lora_alpha 16, an adapter on every linear layer but
// the head's, no dropout, a constant learning rate of 3e-4, no weight decay, no clipping.
type Options struct {
	// Method is one of Methods.
	Method string
	// R is the adapter's r; 0 means 8.
	R int
	// Batch is the number of rows of a step.
	Batch int
	// Steps is the number of timed steps. One step that is not timed runs before them.
	Steps int
	// Dense, if not 0, replaces the data by rows of this many random tokens, all of them scored.
	Dense int
	// GradientCheckpointing is none (or empty) or block.
	GradientCheckpointing string
	// BF16 rounds the factors of matrix products to bfloat16, see op.Pass.
	BF16 bool
	// Optim is the optimizer, by Trainer's name, with AdamW's default constants; "" is adamw_torch.
	Optim string
	// MaxTokensPerMicroBatch is finetune.TrainerOptions'.
	MaxTokensPerMicroBatch int
	// Profile measures the time of each kind of operator.
	Profile bool
}

// Result is what Train measured.
type Result struct {
	// TokensPerSecond counts the tokens of the batches, which have no padding. With Dense it uses the median time of a
	// step, otherwise the time of all steps.
	TokensPerSecond float64   `json:"tokens_per_second"`
	StepSeconds     []float64 `json:"step_seconds"`
	// CPUSeconds is the processor time of the timed steps on all threads: what to compare on a machine that does other
	// work too. It is 0 if the system does not tell.
	CPUSeconds float64 `json:"cpu_seconds"`
	// PeakBytes is the peak memory of the process, 0 if the system does not tell.
	PeakBytes int `json:"peak_bytes"`
	// Float32Peak and BFloat16Peak are the machine's multiply-add peaks in GFLOP/s of a thread: tensor.Peak and PeakBF16.
	Float32Peak  float64 `json:"float32_peak_gflops"`
	BFloat16Peak float64 `json:"bfloat16_peak_gflops"`
	// MFU is the model FLOP utilization, the share of the machine's multiply-add peak that products with the model's
	// weights use:
	//
	//	FLOP = 2·2·(P·tokens + H·scored), or 2·3·(…) if all parameters train
	//	MFU = FLOP ÷ seconds ÷ (threads · peak)
	//
	// The peak is that of the arithmetic in use.
	//
	// P is the number of parameters in the matrices of the layers and H that of the LM head. A product takes 2 FLOP per
	// parameter and token. There are two products, one forward and one for the gradient of the input, and a third for
	// the gradient of the weight if it trains. Attention, the adapter's own products and everything else are not
	// counted.
	MFU float64 `json:"peak_share"`
	// Losses are the losses of all steps before their updates, including the step that is not timed.
	Losses []float64 `json:"losses"`
	// Profile is the time of the timed steps by kind of operator, the largest first, if it was asked for.
	Profile []OperatorTime `json:"profile,omitempty"`
	// Memory is the estimate of PeakBytes by part. ActivationBytes is the measured peak of activations.
	Memory          finetune.Memory `json:"memory"`
	ActivationBytes int             `json:"activation_bytes"`

	Method string `json:"method"`
	BF16   bool   `json:"bf16"`
	// Optim, GradientCheckpointing and MaxTokensPerMicroBatch are what was used of Options.
	Optim                  string `json:"optim"`
	GradientCheckpointing  string `json:"gradient_checkpointing"`
	MaxTokensPerMicroBatch int    `json:"slice_tokens"`
	Trainable              int    `json:"trainable_parameters"`
	Tokens                 int    `json:"tokens"`
	Scored                 int    `json:"scored_tokens"`
	Threads                int    `json:"threads"`
}

// OperatorTime is the time spent in one kind of operator, and its share of the timed steps.
type OperatorTime struct {
	Kind    string  `json:"kind"`
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"`
}

// Methods returns the methods that Train knows: those of package adapter, full, and moraK, which is MoRA with mora_type
// K. mora is mora6.
func Methods() []string {
	return append(adapter.Methods(), "mora1", "mora2", "mora3", "mora4", "mora6", "full")
}

// scheduleSteps is the length of the run that is announced to methods with a schedule, such as AdaLoRA.
const scheduleSteps = 1000

// method returns an adapter's method at rank r. name may be moraK.
func method(name string, r int) (adapter.Method, error) {
	kind := ""
	if !slices.Contains(adapter.Methods(), name) {
		name, kind = "mora", strings.TrimPrefix(name, "mora")
	}
	s, err := adapter.AtRank(name, r)
	if err != nil {
		return nil, err
	}
	s["target_modules"] = adapter.AllLinear.Expr
	if slices.Contains(adapter.Keys(name), "lora_alpha") {
		s["lora_alpha"] = 16
	}
	if kind != "" {
		s["mora_type"] = kind
	}
	return adapter.New(name, s)
}

// Train measures training steps on the first rows of a task's training data, in their order. With Dense, tok and task
// may be nil.
func Train(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, task tasks.Task, o Options) (*Result, error) {
	r, err := train(ctx, m, tok, task, o)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return r, nil
}

// check returns an error that names the first option with an invalid value.
func (o *Options) check(m *model.Model) error {
	switch {
	case o.Batch < 1:
		return fmt.Errorf("batch is %d; want 1 or more", o.Batch)
	case o.Steps < 1:
		return fmt.Errorf("steps is %d; want 1 or more", o.Steps)
	case o.R < 0:
		return fmt.Errorf("r is %d; want 1 or more, or 0 (8)", o.R)
	case o.MaxTokensPerMicroBatch < 0:
		return fmt.Errorf("slice_tokens is %d; want 0 (by the model) or more", o.MaxTokensPerMicroBatch)
	case o.Dense != 0 && (o.Dense < 2 || o.Dense > m.Config().MaxPositionEmbeddings):
		return fmt.Errorf("dense is %d; want 2 to %d, the model's length", o.Dense, m.Config().MaxPositionEmbeddings)
	case !slices.Contains([]string{"", "none", "block"}, o.GradientCheckpointing):
		return fmt.Errorf("gradient_checkpointing is %q; want none or block", o.GradientCheckpointing)
	}
	return nil
}

func train(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, task tasks.Task, o Options) (*Result, error) {
	if err := o.check(m); err != nil {
		return nil, err
	}
	t, err := newTrainer(ctx, m, o)
	if err != nil {
		return nil, err
	}
	rows, err := trainRows(m, tok, task, o)
	if err != nil {
		return nil, err
	}
	r := &Result{Method: o.Method, BF16: o.BF16, Optim: cmp.Or(o.Optim, optim.Default), GradientCheckpointing: cmp.Or(o.GradientCheckpointing, "none"),
		MaxTokensPerMicroBatch: t.Options.MaxTokensPerMicroBatch, Threads: tensor.Threads()}
	for _, p := range t.Params {
		r.Trainable += p.Size()
	}
	debug.FreeOSMemory() // garbage of reading and encoding the data
	tokens := 0
	for step := range slices.Chunk(rows, o.Batch) {
		for _, micro := range infer.MicroBatches(m, step, t.Options.MaxTokensPerMicroBatch) {
			tokens = max(tokens, len(infer.Batch(m, micro).IDs))
		}
	}
	r.Memory = t.EstimateMemory(tokens, t.Options.Checkpointing)
	t.AddSums(&r.Memory, rows, o.Batch)
	if most := process.Memory(); most > 0 && r.Memory.Total() > most {
		return nil, fmt.Errorf("about %d MiB of memory are expected at the peak, and there are %d; want fewer or shorter rows, smaller micro-batches (slice_tokens) or gradient_checkpointing",
			wording.MiB(r.Memory.Total()), wording.MiB(most))
	}
	op.ResetPeak()
	if err := r.runSteps(ctx, t, rows, o); err != nil {
		return nil, err
	}
	r.setRates(m, o)
	r.ActivationBytes = op.PeakBytes()
	if o.Profile {
		r.setProfile(t.Profile.Spent())
	}
	return r, nil
}

// runSteps runs a step that is not timed, then the timed ones.
func (r *Result) runSteps(ctx context.Context, t *finetune.Trainer, rows []tasks.Features, o Options) error {
	for s := range o.Steps + 1 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s == 1 && o.Profile {
			t.Profile = &op.Profile{}
		}
		began, used := time.Now(), process.CPUSeconds()
		stats, err := t.Step(ctx, rows[s*o.Batch:(s+1)*o.Batch], s, 3e-4)
		if err != nil {
			return err
		}
		r.Losses = append(r.Losses, stats.Loss)
		if s > 0 {
			r.StepSeconds = append(r.StepSeconds, time.Since(began).Seconds())
			r.CPUSeconds += process.CPUSeconds() - used
			r.Tokens, r.Scored = r.Tokens+stats.Tokens, r.Scored+stats.Scored
		}
	}
	return nil
}

// setProfile sorts the times by size. Time of the steps that no operator has taken is listed as other.
func (r *Result) setProfile(spent map[string]time.Duration) {
	total := 0.0
	for _, s := range r.StepSeconds {
		total += s
	}
	rest := total
	for kind, d := range spent {
		r.Profile = append(r.Profile, OperatorTime{kind, d.Seconds(), d.Seconds() / total})
		rest -= d.Seconds()
	}
	slices.SortFunc(r.Profile, func(a, b OperatorTime) int { return cmp.Compare(b.Seconds, a.Seconds) })
	r.Profile = append(r.Profile, OperatorTime{"other", rest, rest / total})
}

// setRates computes the speed, the peak memory and the utilization.
func (r *Result) setRates(m *model.Model, o Options) {
	seconds := 0.0
	for _, s := range r.StepSeconds {
		seconds += s
	}
	if o.Dense > 0 { // as scripts/bench/torch_bench.py does
		seconds = median(r.StepSeconds) * float64(o.Steps)
	}
	r.TokensPerSecond = float64(r.Tokens) / seconds
	r.PeakBytes = process.PeakMemory()
	products := 2.0
	if o.Method == "full" {
		products = 3
	}
	flop := 0.0
	m.Linears(func(l *model.Linear) {
		n := r.Tokens
		if l == m.Head().Out {
			n = r.Scored
		}
		flop += 2 * products * float64(l.Weight.Size()) * float64(n)
	})
	r.Float32Peak, r.BFloat16Peak = tensor.Peak(), tensor.PeakBF16()
	peak := r.Float32Peak
	if o.BF16 {
		peak = r.BFloat16Peak
	}
	r.MFU = flop / seconds / (float64(r.Threads) * peak * 1e9)
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// newTrainer attaches the method's adapter and returns the trainer.
func newTrainer(ctx context.Context, m *model.Model, o Options) (*finetune.Trainer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !slices.Contains(Methods(), o.Method) {
		return nil, fmt.Errorf("unknown method %q%s", o.Method, suggest.Hint(o.Method, Methods()))
	}
	var attached *adapter.Adapter
	if o.Method != "full" {
		made, err := method(o.Method, cmp.Or(o.R, 8))
		if err != nil {
			return nil, err
		}
		if attached, err = adapter.Attach(ctx, m, infer.AdapterName, made, finetune.AdapterSeed(42)); err != nil {
			return nil, err
		}
		if err := attached.OnTrainBegin(scheduleSteps); err != nil {
			return nil, err
		}
	}
	rule, err := optim.NewRule(optim.Settings{Optim: o.Optim, AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8})
	if err != nil {
		return nil, err
	}
	return finetune.NewTrainer(m, attached, finetune.TrainerOptions{Seed: 42, Optimizer: rule, MaxTokensPerMicroBatch: o.MaxTokensPerMicroBatch,
		Checkpointing: o.GradientCheckpointing == "block", BF16: o.BF16}), nil
}
