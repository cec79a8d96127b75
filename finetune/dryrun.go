package finetune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/model"
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
	c.Benchmarks = nil
	p := &Plan{Model: c.Model, Missing: c.Missing(), Window: c.PerDeviceTrainBatchSize * c.GradientAccumulationSteps}
	if c.Model == "" {
		p.Model = "from random weights"
	}
	var err error
	if len(p.Missing) == 0 {
		err = p.measure(ctx, c)
	} else {
		err = p.rough(c, known)
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
	for _, f := range []func() error{r.load, r.encode, r.attach, r.budget} {
		if err := f(); err != nil {
			return err
		}
	}
	p.Parameters, p.Trainable = r.m.NumParameters(), r.result.Trainable
	p.Steps, p.Memory, p.Checkpointing = r.total, r.result.Memory, r.t.Checkpoint
	all := 0
	for _, row := range r.rows {
		all += row.Tokens()
	}
	p.Tokens = int(float64(all) * float64(r.total) / float64(r.perEpoch))
	slice := r.t.portions(r.rows[:min(len(r.rows), p.Window)], c.SliceTokens)[0]
	tokens := 0
	for _, row := range slice {
		tokens += row.Tokens()
	}
	spent := 0.0
	for range 2 { // the first one takes its memory
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		if _, err := r.t.slice(slice, 0, 1); err != nil {
			return err
		}
		spent = time.Since(began).Seconds()
	}
	p.Seconds = spent / float64(tokens) * float64(p.Tokens)
	p.From = fmt.Sprintf("timed: %d tokens of the first step in %.2f s", tokens, spent)
	return nil
}

// usedShare is the share of the multiply-add peak that training reaches where it cannot be timed: what bench measured on
// SmolLM2-135M (docs/performance.md).
const usedShare = 0.5

// rough plans a run of which something is not there, from the model's shape.
func (p *Plan) rough(c Config, known fs.FS) error {
	config, err := c.shape(known)
	if err != nil {
		return err
	}
	m, err := model.Blank(config)
	if err != nil {
		return err
	}
	p.Parameters = m.NumParameters()
	if p.Trainable, err = countTrainable(m, c); err != nil {
		return err
	}
	length := c.length(m.Sizes().Positions)
	p.Steps = c.MaxSteps
	p.Tokens, p.AtMost = p.Steps*p.Window*length, true
	p.guess(m, c.Method == "full")
	return p.fit(c, m.Sizes(), min(p.Window*length, max(length, c.SliceTokens)))
}

// fit estimates the memory of a model whose weights are kept in two bytes each while they are frozen.
func (p *Plan) fit(c Config, s model.Sizes, tokens int) error {
	limit, err := c.memory()
	if err != nil {
		return err
	}
	p.Checkpointing, p.Memory, err = fit(c.GradientCheckpointing, limit, func(checkpointing bool) Memory {
		e := estimate(s, 4*p.Trainable, tokens, checkpointing)
		e.Weights = 2 * p.Parameters
		own := 0
		if c.Method == "full" {
			e.Weights, e.Adapter, own = 4*p.Parameters, 0, 4*p.Parameters
		}
		e.program(0, own)
		return e
	})
	return err
}

// guess estimates the time from the machine's multiply-add peak, as BenchResult.PeakShare counts.
func (p *Plan) guess(m *model.Model, full bool) {
	products := 2.0
	if full {
		products = 3
	}
	flop := 0.0
	m.Linears(func(l *model.Linear) { flop += 2 * products * float64(l.Weight.Size()) * float64(p.Tokens) })
	peak := gemm.Peak()
	p.Seconds = flop / (float64(gemm.Threads()) * peak * 1e9 * usedShare)
	p.From = fmt.Sprintf("not timed: from the multiply-add peak, %.0f GFLOP/s on each of %d threads here, of which half is used as on SmolLM2-135M", peak, gemm.Threads())
}

// length is the longest that a row can be.
func (c *Config) length(positions int) int {
	n := positions
	if c.MaxLength > 0 {
		n = min(n, c.MaxLength)
	}
	if b, ok := c.TaskOptions["block_size"].(uint64); ok {
		n = min(n, int(b))
	}
	return n
}

// shape is the config.json of the run's model, which need not be there.
func (c *Config) shape(known fs.FS) ([]byte, error) {
	if c.Model == "" {
		return c.modelConfig()
	}
	dir, err := ModelDir(c.Model)
	if err != nil {
		return nil, err
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
		return raw, nil
	}
	name := strings.ToLower(filepath.Base(c.Model))
	raw, err := fs.ReadFile(known, name+".json")
	if errors.Is(err, fs.ErrNotExist) {
		names, _ := fs.Glob(known, "*.json")
		return nil, fmt.Errorf("model %s is not there, and its shape is not known; known are %s", c.Model, strings.ReplaceAll(strings.Join(names, ", "), ".json", ""))
	}
	return raw, err
}

// countTrainable counts what would train. Where no setting is about single layers, a model of one layer and one of two
// tell those of all.
func countTrainable(m *model.Model, c Config) (int, error) {
	if c.Method == "full" {
		return m.NumParameters(), nil
	}
	layers := m.Sizes().Layers
	whole := layers < 3
	for _, k := range []string{"layers_to_transform", "rank_pattern", "exclude_modules"} {
		whole = whole || c.Adapter[k] != nil
	}
	if _, expr := c.Adapter["target_modules"].(string); expr {
		whole = true
	}
	if whole {
		return attachedTo(m, c)
	}
	var counts [2]int
	for i := range counts {
		small, err := shrunk(m.Config, i+1)
		if err != nil {
			return 0, err
		}
		if small.Sizes().Layers != i+1 {
			return attachedTo(m, c)
		}
		if counts[i], err = attachedTo(small, c); err != nil {
			return 0, err
		}
	}
	return counts[0] + (layers-1)*(counts[1]-counts[0]), nil
}

// shrunk is a blank model with so many layers.
func shrunk(config []byte, layers int) (*model.Model, error) {
	var keys map[string]any
	if err := json.Unmarshal(config, &keys); err != nil {
		return nil, err
	}
	keys["num_hidden_layers"] = layers
	raw, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return model.Blank(raw)
}

func attachedTo(m *model.Model, c Config) (int, error) {
	method, err := adapter.New(c.Method, c.Adapter)
	if err != nil {
		return 0, err
	}
	a, err := adapter.Attach(m, AdapterName, method, 0)
	if err != nil {
		return 0, err
	}
	defer a.Detach()
	return a.Trainable(), nil
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
