package finetune

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// Plan describes what a run would do, as far as that is known beforehand.
type Plan struct {
	// Model is its name. Missing lists what the run needs and lacks; figures that depend on it are rough.
	Model   string
	Missing []string
	// Parameters is the number of the model's parameters, Trainable that of the trained ones.
	Parameters, Trainable int
	// Steps is 0 if it depends on data that are missing. BatchSize is the number of rows of a step.
	Steps, BatchSize int
	// Tokens is the number of tokens of all steps. AtMost says that it is an upper bound.
	Tokens int
	AtMost bool
	// Memory is the estimate. Checkpointing says that layers are recomputed in the backward pass.
	Memory        Memory
	Checkpointing bool
	// Seconds is the time of all steps without evaluations, 0 if Tokens is not known. TimeBasis says how it was
	// estimated.
	Seconds   float64
	TimeBasis string
}

// DryRun plans a run without training and without writing anything. If the model is missing, the plan is made from its
// shape, which known holds as NAME.json, a config.json. An input that is there and cannot be used is an error. Of the options
// ShowBatch, Log and Out count.
func DryRun(ctx context.Context, c Config, known fs.FS, o Options) (*Plan, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	r := &run{config: c, options: o}
	err := r.checkData()
	var missing []string
	if err == nil {
		err = r.reading(ctx, func() (err error) {
			missing, err = c.absentInputs(r.dataContext)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	p := &Plan{Model: c.Model.Path, Missing: missing, BatchSize: c.Train.batchSize()}
	if c.Model.Path == "" {
		p.Model = "from random weights"
	}
	if len(p.Missing) == 0 {
		err = p.measure(ctx, c, o)
	} else {
		err = p.estimate(ctx, c, known, o)
	}
	if err != nil {
		return nil, fmt.Errorf("finetune: dry run: %w", err)
	}
	return p, nil
}

// measure plans a run that lacks nothing: it encodes the data, attaches the adapter and times the first step.
func (p *Plan) measure(ctx context.Context, c Config, o Options) error {
	r := &run{config: c, options: Options{Out: io.Discard, Log: o.Log, memory: o.memory}}
	if o.ShowBatch && o.Out != nil {
		r.options.ShowBatch, r.options.Out = true, o.Out
	}
	defer r.close()
	encode := func() error { // and shows the batch
		err := r.encode()
		r.options.Out = io.Discard
		return err
	}
	read := func() error {
		if err := r.load(ctx); err != nil {
			return err
		}
		return encode()
	}
	steps := []func() error{func() error { return r.reading(ctx, read) }, r.checkWeights, func() error { return r.attach(ctx) }, r.planMemory}
	for _, f := range steps {
		if err := f(); err != nil {
			return err
		}
	}
	p.Parameters, p.Trainable = r.model.NumParameters(), r.result.Trainable
	p.Steps, p.Memory, p.Checkpointing = r.totalSteps, r.result.Memory, r.trainer.Options.Checkpointing
	p.Tokens = int(float64(tokensOf(r.rows)) * float64(r.totalSteps) / float64(r.stepsPerEpoch))
	if c.Task.Streaming {
		p.Tokens = tokensOf(r.rows) * r.rowCount() / len(r.rows)
	}
	return p.timeStep(ctx, r, c)
}

// timeStep times the gradients of a whole first step, once to allocate memory and then twice, and takes the mean.
func (p *Plan) timeStep(ctx context.Context, r *run, c Config) error {
	first := r.rows[:min(len(r.rows), p.BatchSize)]
	tokens, seconds := tokensOf(first), [3]float64{}
	for i := range seconds {
		began := time.Now()
		for _, rows := range infer.MicroBatches(r.model, first, c.Train.MaxTokensPerMicroBatch) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := r.trainer.addGradients(rows, 0, 1); err != nil {
				return err
			}
		}
		seconds[i] = time.Since(began).Seconds()
	}
	p.Seconds = (seconds[1] + seconds[2]) / 2 / float64(tokens) * float64(p.Tokens)
	p.TimeBasis = fmt.Sprintf("timed: the %d tokens of the first step in %.2f and %.2f s", tokens, seconds[1], seconds[2])
	return nil
}

// tokensOf returns the number of tokens of rows.
func tokensOf(rows []tasks.Features) int {
	n := 0
	for _, r := range rows {
		n += r.Tokens()
	}
	return n
}

// Write prints the plan.
func (p *Plan) Write(w io.Writer) {
	var b strings.Builder
	n := wording.Number
	fmt.Fprintf(&b, "model: %s, %s parameters\n", p.Model, n(p.Parameters))
	for _, m := range p.Missing {
		fmt.Fprintf(&b, "missing: %s\n", m)
	}
	fmt.Fprintf(&b, "trainable parameters: %s (%.4f %%)\n", n(p.Trainable), 100*float64(p.Trainable)/float64(p.Parameters))
	most := "about"
	if p.AtMost {
		most = "at most"
	}
	if p.Steps == 0 {
		fmt.Fprintf(&b, "steps: of %s rows; their number depends on the data\n", n(p.BatchSize))
	} else {
		fmt.Fprintf(&b, "steps: %s of %s rows\ntokens: %s %s\n", n(p.Steps), n(p.BatchSize), most, n(p.Tokens))
	}
	fmt.Fprintf(&b, "memory: %s", p.Memory)
	if p.Checkpointing {
		b.WriteString(" (gradient_checkpointing: block)")
	}
	b.WriteString("\n")
	if p.Steps > 0 {
		fmt.Fprintf(&b, "time: %s %s without evaluations (%s)\n", most, wording.Seconds(p.Seconds), p.TimeBasis)
	}
	_, _ = io.WriteString(w, b.String())
}
