package finetune

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

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
	Steps, Window int
	// Tokens are those of all steps; AtMost says that they are a bound.
	Tokens int
	AtMost bool
	// Memory is the estimate; Checkpointing says that layers are run again.
	Memory        Memory
	Checkpointing bool
	// Seconds is the time of all steps without evaluations, 0 where Tokens are not known; From is where it comes from.
	Seconds float64
	From    string
}

// DryRun plans a run without training and without writing anything. A model that is not there is planned by its shape,
// where known has NAME.json.
func DryRun(ctx context.Context, c Config, known fs.FS) (*Plan, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	c.EvalTasks = nil
	p := &Plan{Model: c.Model, Missing: c.Validate(), Window: c.PerDeviceTrainBatchSize * c.GradientAccumulationSteps}
	if c.Model == "" {
		p.Model = "from random weights"
	}
	var err error
	if len(p.Missing) == 0 {
		err = p.measure(ctx, c)
	} else {
		err = p.rough(ctx, c, known)
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
	for _, f := range []func() error{r.load, r.encode, func() error { return r.attach(ctx) }, r.budget} {
		if err := f(); err != nil {
			return err
		}
	}
	p.Parameters, p.Trainable = r.m.NumParameters(), r.result.Trainable
	p.Steps, p.Memory, p.Checkpointing = r.total, r.result.Memory, r.t.Checkpoint
	p.Tokens = int(float64(tokensOf(r.rows)) * float64(r.total) / float64(r.perEpoch))
	slice := r.t.microBatches(r.rows[:min(len(r.rows), p.Window)], c.MaxTokensPerMicroBatch)[0]
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
	p.From = fmt.Sprintf("timed: %d tokens of the first step in %.2f s", tokens, spent)
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
	out := message.NewPrinter(language.English)
	_, _ = out.Fprintf(&b, "model: %s, %d parameters\n", p.Model, p.Parameters)
	for _, m := range p.Missing {
		_, _ = out.Fprintf(&b, "missing: %s\n", m)
	}
	_, _ = out.Fprintf(&b, "trainable parameters: %d (%.4f %%)\n", p.Trainable, 100*float64(p.Trainable)/float64(p.Parameters))
	most := "about"
	if p.AtMost {
		most = "at most"
	}
	if p.Steps == 0 {
		_, _ = out.Fprintf(&b, "steps: of %d rows; how many the data tell\n", p.Window)
	} else {
		_, _ = out.Fprintf(&b, "steps: %d of %d rows\ntokens: %s %d\n", p.Steps, p.Window, most, p.Tokens)
	}
	_, _ = out.Fprintf(&b, "memory: %s", p.Memory)
	if p.Checkpointing {
		b.WriteString(" (gradient_checkpointing: block)")
	}
	b.WriteString("\n")
	if p.Steps > 0 {
		_, _ = out.Fprintf(&b, "time: %s %s without evaluations (%s)\n", most, span(p.Seconds), p.From)
	}
	_, _ = io.WriteString(w, b.String())
}

// span is a time in the units that people use.
func span(seconds float64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.1f h", seconds/3600)
	}
	return fmt.Sprintf("%.1f days", seconds/86400)
}
