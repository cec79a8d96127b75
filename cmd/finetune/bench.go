package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/bench"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// benchCmd is the verb bench.
type benchCmd struct {
	Model                 string   `hub:"model" placeholder:"NAME" help:"Hugging Face folder, GGUF file, name on the Hub (org/name[@revision]), or \"embedded\"."`
	RandomModel           string   `placeholder:"FILE" help:"Instead of --model: measure a model of the shape in a config.json, with random weights stored in bfloat16. Needs --dense, --decode or --forward."`
	Data                  string   `hub:"data" placeholder:"PATH" help:"Training data: a path, or org/name[:config/split] on the Hub. Rows are used in their order."`
	Task                  string   `placeholder:"NAME" help:"Task of the data. Default math."`
	Set                   []string `sep:"none" placeholder:"KEY=VALUE" help:"Set an option of the task; may be repeated. Here math has form=raw by default."`
	Dense                 int      `placeholder:"LENGTH" help:"Train on rows of LENGTH random tokens instead of data. All tokens are scored."`
	Method                string   `default:"mora" placeholder:"NAME" help:"Method: ${methods}; moraK for MoRA with mora_type K; or full. Default ${default}."`
	Batch                 int      `default:"4" placeholder:"N" help:"Rows per step. Default ${default}."`
	Steps                 int      `default:"5" placeholder:"N" help:"Number of timed steps. One more step runs before them. Default ${default}."`
	GradientCheckpointing string   `placeholder:"MODE" help:"none, or block to recompute every layer in the backward pass, which saves memory. Default none."`
	BF16                  bool     `name:"bf16" help:"Round the factors of matrix products to bfloat16, as bf16: true does in a recipe."`
	Optim                 string   `placeholder:"NAME" help:"Optimizer, by Trainer's name. Default adamw_torch."`
	SliceTokens           int      `placeholder:"N" help:"Tokens of a micro-batch, as slice_tokens in a recipe. Default 0: by the model."`
	R                     int      `name:"r" default:"8" placeholder:"N" help:"Rank r of the adapter. Default ${default}."`
	Prepack               bool     `help:"Keep frozen matrices packed, as prepack: true does in a recipe."`
	Decode                int      `placeholder:"N" help:"Measure generation instead of training: N new tokens for each of --prompts prompts of --prompt-tokens tokens."`
	Adapter               string   `hub:"adapter" placeholder:"NAME" help:"With --decode: adapter to apply, without merging it. A folder, or a name on the Hub."`
	Prompts               int      `default:"1" placeholder:"N" help:"With --decode: number of prompts at once. Default ${default}."`
	PromptTokens          int      `default:"256" placeholder:"N" help:"With --decode: length of a prompt. Default ${default}."`
	Forward               int      `placeholder:"LENGTH" help:"Measure forward passes instead of training: --steps passes over --batch rows of LENGTH random tokens."`
	Sweep                 string   `placeholder:"DIR" help:"Measure how the cost grows with rows, length, r and threads. Write tables and plots into DIR."`
	Profile               bool     `help:"Print the time of each kind of operator and the parts of the memory."`
	JSON                  bool     `name:"json" help:"Print JSON: tokens_per_second, step_seconds, peak_bytes, peak_share, losses …"`
	threadsFlag
}

// Help returns notes and examples for --help.
func (benchCmd) Help() string {
	return `All other settings are fixed: lora_alpha 16, an adapter on every linear layer but the head's, no dropout, a constant
learning rate of 3e-4, no weight decay, no clipping. A model without a head gets one with two classes. Batches have no
padding, so tokens per second count real tokens.

Examples:
  finetune bench --model smollm2 --data gsm8k/train.jsonl --task math --method mora --batch 4 --steps 5
  finetune bench --model smollm2 --dense 256 --method lora --batch 4 --steps 10 --threads 2 --json
  finetune bench --model smollm2 --dense 256 --method lora --bf16
  finetune bench --random-model qwen2.5-0.5b/config.json --dense 256 --method lora --bf16
  finetune bench --random-model qwen3-0.6b/config.json --dense 256 --method full --optim adamw_8bit --slice-tokens 1024
  finetune bench --model smollm2 --decode 256
  finetune bench --model smollm2 --decode 256 --adapter run
  finetune bench --model minilm --forward 128 --batch 1 --steps 50
  finetune bench --model smollm2 --sweep cost`
}

// Run measures and prints.
func (c *benchCmd) Run(g *globals) error {
	if err := c.apply(); err != nil {
		return err
	}
	m, err := c.open(g)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	if c.Prepack {
		m.Prepack(c.BF16)
	}
	switch {
	case c.Decode > 0:
		return c.decode(g, m)
	case c.Forward > 0:
		return c.forward(g, m)
	case c.Sweep != "":
		return c.sweep(g)
	}
	var task tasks.Task
	var tok *tokenizer.Tokenizer
	if c.Dense == 0 {
		if tok, task, err = c.load(m); err != nil {
			return err
		}
	}
	r, err := bench.Train(g.Ctx, m, tok, task, bench.Options{Method: c.Method, R: c.R, Batch: c.Batch, Steps: c.Steps,
		Dense: c.Dense, GradientCheckpointing: c.GradientCheckpointing, Profile: c.Profile, BF16: c.BF16,
		Optim: c.Optim, MaxTokensPerMicroBatch: c.SliceTokens})
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	c.printTraining(g, r)
	if c.Profile {
		printProfile(g, r)
	}
	return nil
}

// open checks which flags are used together, and opens the model.
func (c *benchCmd) open(g *globals) (*model.Model, error) {
	if (c.Model == "") == (c.RandomModel == "") {
		return nil, errors.New("bench: name a model with either --model or --random-model")
	}
	if err := c.checkFlags(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if c.RandomModel == "" {
		return bench.LoadModel(g.Ctx, c.Model)
	}
	return bench.RandomModel(g.Ctx, c.RandomModel)
}

// checkFlags returns an error where a flag has no effect beside the others, or no value that can be measured.
func (c *benchCmd) checkFlags() error {
	data := c.Data != "" || c.Task != "" || len(c.Set) > 0
	var what []string // is measured
	for _, mode := range []struct {
		flag  string
		given bool
	}{{"--data, --task and --set", data}, {"--dense", c.Dense != 0}, {"--decode", c.Decode != 0}, {"--forward", c.Forward != 0}, {"--sweep", c.Sweep != ""}} {
		if mode.given {
			what = append(what, mode.flag)
		}
	}
	training := c.Decode == 0 && c.Forward == 0
	switch {
	case c.Dense < 0 || c.Decode < 0 || c.Forward < 0:
		return fmt.Errorf("--dense is %d, --decode %d and --forward %d; want 1 or more, and one of them", c.Dense, c.Decode, c.Forward)
	case c.R < 1:
		return fmt.Errorf("--r is %d; want 1 or more", c.R)
	case len(what) > 1:
		return fmt.Errorf("%s measure different things; leave out all but one", strings.Join(what, " and "))
	case c.Adapter != "" && c.Decode == 0:
		return errors.New("--adapter goes with --decode; training makes an adapter of its own, see --method")
	case !training && (c.BF16 || c.Optim != "" || c.SliceTokens != 0 || c.GradientCheckpointing != "" || c.Profile):
		return fmt.Errorf("--bf16, --optim, --slice-tokens, --gradient-checkpointing and --profile are for training; leave them out with %s", what[0])
	case c.Sweep != "" && (c.Prepack || c.Profile || c.JSON):
		return errors.New("--sweep measures without --prepack and --profile, and prints no JSON; leave them out")
	case c.Sweep != "" && c.RandomModel != "":
		return errors.New("--sweep needs --model")
	case c.RandomModel != "" && (data || len(what) == 0):
		return errors.New("--random-model has no tokenizer to read data with; add --dense, --decode or --forward")
	case len(what) == 0:
		return errors.New("there is nothing to train on; add --data FILE or --dense LENGTH, or measure --decode N, --forward LENGTH or --sweep DIR")
	}
	return nil
}

// printTraining prints what a training measurement found.
func (c *benchCmd) printTraining(g *globals, r *bench.Result) {
	g.printf("%s, %s, %d trainable parameters, %d threads, %d steps of %d rows, micro-batches of %d tokens, checkpointing %s\n", r.Method, r.Optim, r.Trainable, r.Threads, c.Steps, c.Batch,
		r.MaxTokensPerMicroBatch, r.GradientCheckpointing)
	g.printf("tokens per second  %.1f (%d tokens, %d scored)\n", r.TokensPerSecond, r.Tokens, r.Scored)
	g.printf("step seconds       %.3f to %.3f\n", slices.Min(r.StepSeconds), slices.Max(r.StepSeconds))
	if r.CPUSeconds > 0 {
		g.printf("processor time     %.1f s, %.1f tokens a second of it\n", r.CPUSeconds, float64(r.Tokens)/r.CPUSeconds)
	}
	g.printf("peak memory        %s\n", size(r.PeakBytes))
	arithmetic := "float32"
	if r.BF16 {
		arithmetic = "bfloat16"
	}
	g.printf("utilization        %.1f %% of the machine's multiply-add peak in %s\n", 100*r.MFU, arithmetic)
	g.printf("peaks              float32 %.0f, bfloat16 %.0f GFLOP/s a thread, all at once\n", r.Float32Peak, r.BFloat16Peak)
	g.printf("losses            ")
	for _, loss := range r.Losses {
		g.printf(" %.4f", loss)
	}
	g.printf("\n")
}

// decode measures generation and prints.
func (c *benchCmd) decode(g *globals, m *model.Model) error {
	name := ""
	if c.Adapter != "" {
		name = infer.AdapterName
		if _, err := adapter.Load(g.Ctx, m, c.Adapter, name); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	r, err := bench.DecodeWith(g.Ctx, m, name, c.Prompts, c.PromptTokens, c.Decode)
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	g.printf("%d prompts of %d tokens, %d new tokens each, %d threads\n", r.Prompts, c.PromptTokens, c.Decode, r.Threads)
	g.printf("prefill            %.0f tokens per second\n", r.PrefillTokensPerSecond)
	g.printf("decode             %.1f tokens per second\n", r.DecodeTokensPerSecond)
	g.printf("memory bandwidth   %.0f %% of %.1f GB/s are used\n", 100*r.BandwidthUtilization, r.MemoryBandwidth/1e9)
	return nil
}

// forward measures forward passes and prints.
func (c *benchCmd) forward(g *globals, m *model.Model) error {
	r, err := bench.Forward(g.Ctx, m, c.Batch, c.Forward, c.Steps)
	if err != nil {
		return err
	}
	if c.JSON {
		return g.print(r)
	}
	g.printf("forward, %d passes of %d rows of %d tokens, %d threads\n", r.Passes, r.Batch, r.Tokens, r.Threads)
	g.printf("tokens per second  %.0f\n", r.TokensPerSecond)
	g.printf("peak memory        %s\n", size(r.PeakBytes))
	return nil
}

// sweep measures every point in a process of its own, so that each has its own peak memory.
func (c *benchCmd) sweep(g *globals) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	tables, err := bench.Sweep(c.Sweep, func(o bench.Options, threads int) (*bench.Result, error) {
		cmd := exec.CommandContext(g.Ctx, program, "bench", "--json", "--model", c.Model, "--method", o.Method, "--r", strconv.Itoa(o.R),
			"--dense", strconv.Itoa(o.Dense), "--batch", strconv.Itoa(o.Batch), "--steps", strconv.Itoa(c.Steps), "--threads", strconv.Itoa(threads))
		if c.BF16 {
			cmd.Args = append(cmd.Args, "--bf16")
		}
		if c.Optim != "" {
			cmd.Args = append(cmd.Args, "--optim", c.Optim)
		}
		if c.GradientCheckpointing != "" {
			cmd.Args = append(cmd.Args, "--gradient-checkpointing", c.GradientCheckpointing)
		}
		cmd.Args = append(cmd.Args, "--slice-tokens", strconv.Itoa(c.SliceTokens))
		cmd.Stderr = g.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		r := &bench.Result{}
		return r, json.Unmarshal(out, r)
	})
	if err != nil {
		return err
	}
	g.printf("%s", tables)
	return nil
}

// printProfile prints the time of each kind of operator and the parts of the memory.
func printProfile(g *globals, r *bench.Result) {
	g.printf("\n%-20s %9s %7s\n", "time by operator", "s/step", "share")
	for _, t := range r.Profile {
		g.printf("%-20s %9.3f %5.1f %%\n", t.Kind, t.Seconds/float64(len(r.StepSeconds)), 100*t.Share)
	}
	g.printf("\n%-20s %9s\n", "memory by part", "MiB")
	for _, p := range r.Memory.Parts() {
		g.printf("%-20s %9.1f", p.Name, float64(p.Bytes)/(1<<20))
		if p.Name == "activations" {
			g.printf("  (measured %.1f)", float64(r.ActivationBytes)/(1<<20))
		}
		g.printf("\n")
	}
	g.printf("%-20s %9.1f", "expected", float64(r.Memory.Total())/(1<<20))
	if r.PeakBytes > 0 {
		g.printf("  (measured %.1f)", float64(r.PeakBytes)/(1<<20))
	}
	g.printf("\n")
}

// load loads the tokenizer and the task.
func (c *benchCmd) load(m *model.Model) (*tokenizer.Tokenizer, tasks.Task, error) {
	name := cmp.Or(c.Task, "math")
	settings := c.Set
	hasForm := slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, "form=") })
	if name == "math" && !hasForm {
		settings = append([]string{"form=raw"}, settings...)
	}
	task, err := evaluate.Task(name, tasks.Train, c.Data, settings)
	if err != nil {
		return nil, nil, err
	}
	tok, err := tokenizer.Load(m.Dir)
	return tok, task, err
}
