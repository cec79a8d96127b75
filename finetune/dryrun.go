package finetune

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// Plan is what a run would do, as far as it can be told before.
type Plan struct {
	// Model is its name; Missing is what the run needs and is not there. Figures that depend on it are rough.
	Model   string
	Missing []string
	// Parameters are the model's; Trainable what training moves.
	Parameters, Trainable int
	// Steps is 0 where only the data would tell. Window is the rows of a step.
	Steps, BatchSize int
	// Tokens are those of all steps; AtMost says that they are a bound.
	Tokens int
	AtMost bool
	// Memory is the estimate; Checkpointing says that layers are run again.
	Memory        Memory
	Checkpointing bool
	// Seconds is the time of all steps without evaluations, 0 where Tokens are not known; From is where it comes from.
	Seconds   float64
	TimeBasis string
}

// DryRun plans a run without training and without writing anything. A model that is not there is planned by its shape,
// where known has NAME.json.
func DryRun(ctx context.Context, c Config, known fs.FS) (*Plan, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	p := &Plan{Model: c.Model.Path, Missing: c.MissingInputs(), BatchSize: c.Train.batch()}
	if c.Model.Path == "" {
		p.Model = "from random weights"
	}
	var err error
	if len(p.Missing) == 0 {
		err = p.measure(ctx, c)
	} else {
		err = p.estimate(ctx, c, known)
	}
	if err != nil {
		return nil, fmt.Errorf("finetune: dry run: %w", err)
	}
	return p, nil
}

// measure plans a run that could begin: it encodes the data, attaches the adapter and times a slice of the first step.
func (p *Plan) measure(ctx context.Context, c Config) error {
	r := &run{c: c, o: Options{Out: io.Discard, Log: zerolog.Nop()}}
	defer func() {
		if r.m != nil {
			_ = r.m.Close()
		}
	}()
	steps := []func() error{func() error { return r.load(ctx) }, r.encode, func() error { return r.attach(ctx) }, r.planMemory}
	for _, f := range steps {
		if err := f(); err != nil {
			return err
		}
	}
	p.Parameters, p.Trainable = r.m.NumParameters(), r.result.Trainable
	p.Steps, p.Memory, p.Checkpointing = r.totalSteps, r.result.Memory, r.t.Options.Checkpointing
	p.Tokens = int(float64(tokensOf(r.rows)) * float64(r.totalSteps) / float64(r.stepsPerEpoch))
	slice := infer.MicroBatches(r.m, r.rows[:min(len(r.rows), p.BatchSize)], c.Train.MaxTokensPerMicroBatch)[0]
	tokens := tokensOf(slice)
	spent := 0.0
	for range 2 { // the first one takes its memory
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		if _, err := r.t.microBatch(slice, 0, 1); err != nil {
			return err
		}
		spent = time.Since(began).Seconds()
	}
	p.Seconds = spent / float64(tokens) * float64(p.Tokens)
	p.TimeBasis = fmt.Sprintf("timed: %d tokens of the first step in %.2f s", tokens, spent)
	return nil
}

// tokensOf counts the tokens of rows.
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
		fmt.Fprintf(&b, "steps: of %s rows; how many the data tell\n", n(p.BatchSize))
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
