package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// Options is what Train measures. All else is fixed: lora_alpha 16, every linear layer but the head's, without dropout, AdamW at a constant
// 3e-4 without weight decay, no clipping.
type Options struct {
	// Method is one of Methods.
	Method string
	// R is the adapter's r; 0 is 8.
	R int
	// Batch is the rows of a step.
	Batch int
	// Steps are timed, behind one that is not.
	Steps int
	// Dense, where not 0, takes rows of so many random tokens, all of them scored, in place of the data.
	Dense int
	// GradientCheckpointing is none (or empty) or block.
	GradientCheckpointing string
	// Profile measures the timed steps by kind of operator.
	Profile bool
}

// Result is what Train measured.
type Result struct {
	// TokensPerSecond counts real tokens; there is no padding. With Dense it is those of a step over the median step's
	// time, else all tokens over all time.
	TokensPerSecond float64   `json:"tokens_per_second"`
	StepSeconds     []float64 `json:"step_seconds"`
	// PeakBytes is the most memory that the process has held, 0 where the system does not tell.
	PeakBytes int `json:"peak_bytes"`
	// MFU is the share of the machine's multiply-add peak that goes into products with the model's weights:
	//
	//	FLOP = 2·2·(P·tokens + H·scored), or 2·3·(…) where all parameters train
	//	share = FLOP ÷ seconds ÷ (threads · tensor.Peak())
	//
	// where P are the parameters of the layers' matrices and H those of the LM head. A product costs 2 FLOP a parameter
	// and token; there are two of them, forward and for the gradient of the input, and a third for the gradient of the
	// weight itself where it trains. Attention, the adapter's own products and all else are not counted.
	MFU float64 `json:"peak_share"`
	// Losses are those of every step before its update, the one that is not timed among them.
	Losses []float64 `json:"losses"`
	// Profile is where the time of the timed steps went, the longest first, where asked for.
	Profile []OperatorTime `json:"profile,omitempty"`
	// Memory is PeakBytes by part, as estimated; ActivationBytes is the measured peak of activations.
	Memory          finetune.Memory `json:"memory"`
	ActivationBytes int             `json:"activation_bytes"`

	Method    string `json:"method"`
	Trainable int    `json:"trainable_parameters"`
	Tokens    int    `json:"tokens"`
	Scored    int    `json:"scored_tokens"`
	Threads   int    `json:"threads"`
}

// OperatorTime is the time that went into operators of a kind.
type OperatorTime struct {
	Kind    string  `json:"kind"`
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"`
}

// Methods lists the methods that Train knows: the adapters', full, and moraK, which is MoRA with mora_type K; mora is
// mora6.
func Methods() []string {
	return append(adapter.Methods(), "mora1", "mora2", "mora3", "mora4", "mora6", "full")
}

// scheduleSteps is the length of the run that a method's schedule is for.
const scheduleSteps = 1000

// method makes an adapter's method at rank r; name may be moraK.
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

// Train measures training steps on the first rows of a task's training data (nil with Dense), in their order.
func Train(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, task tasks.Task, o Options) (*Result, error) {
	r, err := train(ctx, m, tok, task, o)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return r, nil
}

func (o *Options) check(m *model.Model) error {
	switch {
	case o.Batch < 1:
		return fmt.Errorf("batch is %d; want 1 or more", o.Batch)
	case o.Steps < 1:
		return fmt.Errorf("steps is %d; want 1 or more", o.Steps)
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
	t, err := trainer(ctx, m, o)
	if err != nil {
		return nil, err
	}
	rows, err := trainRows(m, tok, task, o)
	if err != nil {
		return nil, err
	}
	r := &Result{Method: o.Method, Threads: tensor.Threads()}
	for _, p := range t.Params {
		r.Trainable += p.Size()
	}
	debug.FreeOSMemory() // what reading and encoding left
	tokens := 0
	for step := range slices.Chunk(rows, o.Batch) {
		for _, micro := range infer.MicroBatches(m, step, t.Options.MaxTokensPerMicroBatch) {
			tokens = max(tokens, len(infer.Batch(m, micro).IDs))
		}
	}
	r.Memory = finetune.Estimate(m, t.Params, tokens, t.Options.Checkpointing)
	op.ResetPeak()
	for s := range o.Steps + 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s == 1 && o.Profile {
			t.Profile = &op.Profile{}
		}
		began := time.Now()
		step, err := t.Step(ctx, rows[s*o.Batch:(s+1)*o.Batch], s, 3e-4)
		if err != nil {
			return nil, err
		}
		r.Losses = append(r.Losses, step.Loss)
		if s > 0 {
			r.StepSeconds = append(r.StepSeconds, time.Since(began).Seconds())
			r.Tokens, r.Scored = r.Tokens+step.Tokens, r.Scored+step.Scored
		}
	}
	r.rate(m, o)
	r.ActivationBytes = op.PeakBytes()
	if o.Profile {
		r.profile(t.Profile.Spent())
	}
	return r, nil
}

// profile sorts the times by kind; other is what is left of the steps' time.
func (r *Result) profile(spent map[string]time.Duration) {
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

// rate works out speed, memory and share of the peak.
func (r *Result) rate(m *model.Model, o Options) {
	seconds := 0.0
	for _, s := range r.StepSeconds {
		seconds += s
	}
	if o.Dense > 0 { // as scripts/bench/torch_bench.py
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
	r.MFU = flop / seconds / (float64(r.Threads) * tensor.Peak() * 1e9)
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// trainer attaches the method.
func trainer(ctx context.Context, m *model.Model, o Options) (*finetune.Trainer, error) {
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
	return finetune.NewTrainer(m, attached, finetune.TrainerOptions{Seed: 42, Checkpointing: o.GradientCheckpointing == "block"}), nil
}

// randomRows are n rows of random tokens, with ids from 3 to 40000 where the vocabulary reaches that far. A language model
// is scored on all of them, a model that classifies on random labels.
func randomRows(m *model.Model, n, tokens int) []tasks.Features {
	most := min(40000, m.Config().VocabSize)
	r := rand.New(rand.NewPCG(0, 0))
	draw := func(n, below int) []int32 {
		v := make([]int32, n)
		for i := range v {
			v[i] = int32(r.IntN(below))
		}
		return v
	}
	h := m.Head()
	rows := make([]tasks.Features, n)
	for i := range rows {
		ids := draw(tokens, max(1, most-3))
		for j := range ids {
			ids[j] += int32(min(3, most-1))
		}
		rows[i] = tasks.Features{IDs: ids, Labels: ids, Source: "random"}
		switch h.Kind {
		case head.SequenceClassification:
			rows[i].Labels = draw(1, len(h.Labels))
			h.EndDocument(ids)
		case head.TokenClassification:
			rows[i].Labels = draw(tokens, len(h.Labels))
		case head.QuestionAnswering:
			at := draw(1, tokens)
			rows[i].Labels = []int32{at[0], at[0]}
		case head.FeatureExtraction:
			rows[i].PairStart = max(1, tokens/2)
		}
	}
	return rows
}

// trainRows are the rows of all steps: the task's first ones, or random ones.
func trainRows(m *model.Model, tok *tokenizer.Tokenizer, task tasks.Task, o Options) ([]tasks.Features, error) {
	need := o.Batch * (o.Steps + 1)
	var rows []tasks.Features
	if o.Dense > 0 {
		return randomRows(m, need, o.Dense), nil
	}
	template, err := infer.ChatTemplate(tok)
	if err != nil {
		return nil, err
	}
	for row, err := range tasks.Rows(tok, template, task, tasks.Train, m.Config().MaxPositionEmbeddings) {
		if err != nil {
			return nil, err
		}
		if rows = append(rows, row); len(rows) == need {
			return rows, nil
		}
	}
	return nil, fmt.Errorf("the data have %d rows; %d + 1 steps of %d need %d", len(rows), o.Steps, o.Batch, need)
}
