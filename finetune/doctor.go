package finetune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
)

// Finding is what a check of Doctor has found.
type Finding struct {
	// Check is what was looked at: recipe, model, data …
	Check string `json:"check"`
	// Status is "ok", "warning", "error" (Run would refuse the run, or fail) or "skipped" (an error before it prevents the check).
	Status string `json:"status"`
	// Result is what there is, and Advice what to do.
	Result string `json:"result"`
	Advice string `json:"advice,omitempty"`
}

// The values of Finding.Status.
const (
	StatusOK      = "ok"
	StatusWarning = "warning"
	StatusError   = "error"
	StatusSkipped = "skipped"
)

// Doctor makes every check that Run makes before the first step, by the same functions. It trains nothing, writes nothing, and goes on
// after an error as far as it can. Of the options Resume, Overwrite and Session count.
func Doctor(ctx context.Context, c Config, o Options) []Finding {
	d := &doctor{ctx: ctx, failed: map[string]bool{}}
	o.Log, o.Out = zerolog.New(d), io.Discard
	d.run = &run{config: c, options: o, givenOptions: c.Task.Options, dry: true}
	defer d.run.close()
	d.check("recipe", nil, d.recipe)
	inputs := c.modelInputs()
	if err := d.run.checkData(); err != nil { // which are not read then
		inputs = append(inputs, runInput{inputData, err})
	} else if err := d.run.reading(ctx, func() error {
		inputs = append(inputs, c.dataInputs(d.run.dataContext)...)
		return d.run.readingEnded()
	}); err != nil {
		inputs = append(inputs, runInput{inputData, err})
	}
	for _, in := range inputs {
		if in.err != nil {
			d.check(in.name, nil, func() (string, error) { return "", errors.New(in.String()) })
		}
	}
	d.check("output_dir", nil, d.output)
	d.check("model", d.modelNeeds(), d.model)
	d.check("tokenizer", []string{"model"}, d.tokenizer)
	d.check("arithmetic", nil, d.arithmetic)
	d.check("data", []string{"model", "data", "eval_data"}, d.data)
	d.check("evaluation", []string{"data"}, d.evaluation)
	d.check("steps", []string{"recipe", "data"}, d.steps)
	d.check("adapter", []string{"model"}, d.adapter)
	if d.run.resumeFrom != "" {
		d.check("resume", []string{"output_dir", "steps", "adapter"}, d.resume)
	}
	d.check("memory", []string{"steps", "adapter"}, d.memory)
	d.check("disk", []string{"output_dir", "steps", "adapter"}, d.run.checkDisk)
	return d.findings
}

// NewFinding is an error that a check has found.
func NewFinding(check string, err error) Finding {
	return newFinding(check, StatusError, strings.TrimPrefix(err.Error(), check+": "))
}

// doctor is the state of Doctor. It is the writer of the run's log, whose warnings belong to the check that is made.
type doctor struct {
	ctx      context.Context // ends the checks
	run      *run
	findings []Finding
	failed   map[string]bool // checks
	current  string
	warnings []Finding
}

// check makes a check, unless one of those failed that it needs.
func (d *doctor) check(name string, needs []string, f func() (string, error)) {
	if d.ctx.Err() != nil {
		return
	}
	for _, n := range needs {
		if !d.failed[n] {
			continue
		}
		if n != name { // its own error is there already
			d.findings = append(d.findings, Finding{Check: name, Status: StatusSkipped, Result: "not looked at, since there is an error in " + n})
		}
		d.failed[name] = true
		return
	}
	d.current, d.warnings = name, nil
	result, err := f()
	switch {
	case err != nil:
		d.failed[name] = true
		d.findings = append(d.findings, NewFinding(name, err))
	case result != "" || len(d.warnings) == 0:
		d.findings = append(d.findings, Finding{Check: name, Status: StatusOK, Result: result})
	}
	d.findings = append(d.findings, d.warnings...)
}

// newFinding cuts a message in two: what is wrong and, after a semicolon, what to do.
func newFinding(check, status, message string) Finding {
	result, advice, _ := strings.Cut(strings.Join(strings.Fields(message), " "), "; ")
	return Finding{Check: check, Status: status, Result: result, Advice: advice}
}

// Write takes a line of the log.
func (d *doctor) Write(line []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return 0, err
	}
	level, message := fmt.Sprint(fields[zerolog.LevelFieldName]), fmt.Sprint(fields[zerolog.MessageFieldName])
	if level != zerolog.LevelWarnValue {
		return len(line), nil
	}
	delete(fields, zerolog.LevelFieldName)
	delete(fields, zerolog.MessageFieldName)
	var details []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		details = append(details, fmt.Sprintf("%s %v", k, fields[k]))
	}
	found := newFinding(d.current, StatusWarning, message)
	if len(details) > 0 {
		found.Result += " (" + strings.Join(details, ", ") + ")"
	}
	d.warnings = append(d.warnings, found)
	return len(line), nil
}

func (d *doctor) recipe() (string, error) {
	return "keys and values are valid", d.run.config.Check()
}

func (d *doctor) output() (string, error) {
	dir := d.run.config.Save.OutputDir
	if err := errors.Join(d.run.findCheckpoint(), d.run.readCheckpoint()); err != nil {
		return "", err
	}
	switch _, err := os.Stat(dir); {
	case d.run.resumeFrom != "":
		return fmt.Sprintf("%s is resumed from %s, step %d", dir, d.run.resumeFrom, d.run.state.Step), nil
	case err != nil:
		return dir + " will be made", nil
	case d.run.options.Overwrite:
		return dir + " will be replaced", nil
	}
	return dir + " is there, and has no checkpoint", nil
}

// modelNeeds are the checks without which the model cannot be loaded: the labels of some heads are those of the data.
func (d *doctor) modelNeeds() []string {
	needs := []string{"model", "tokenizer", "adapter"}
	if task, err := d.run.config.Task.New(); err != nil {
		return append(needs, "data")
	} else if _, ok := task.(tasks.HeadTask); ok {
		return append(needs, "data")
	}
	return needs
}

func (d *doctor) model() (string, error) {
	if err := d.run.reading(d.ctx, func() error { return d.run.load(d.ctx) }); err != nil {
		return "", err
	}
	m := d.run.model
	mapped, own := m.WeightMemory()
	result := fmt.Sprintf("%s parameters, %d MiB, up to %s tokens", wording.Number(m.NumParameters()), wording.MiB(mapped+own), wording.Number(m.MaxLength()))
	if f := m.Fingerprint(); f != "" {
		result += ", fingerprint " + f[:8]
	}
	return result, nil
}

func (d *doctor) tokenizer() (string, error) {
	template, err := infer.ChatTemplate(d.run.tok)
	if err != nil {
		return "", err
	}
	with := "no chat template"
	if template != nil {
		with = "a chat template"
	}
	return fmt.Sprintf("%s tokens, %s", wording.Number(d.run.tok.VocabSize()), with), nil
}

func (d *doctor) arithmetic() (string, error) {
	name := d.run.config.Train.arithmetic()
	result := fmt.Sprintf("%s, kernel %s, %d threads", name, kernel(name), tensor.Threads())
	if note := bf16Note(d.run.config.Train.BF16, tensor.SpeedupBF16()); note != "" {
		result += "; " + note
	}
	return result, nil
}

func (d *doctor) data() (string, error) {
	if err := d.run.reading(d.ctx, d.run.readRows); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d duplicates", d.run.counts, d.run.duplicates), nil
}

func (d *doctor) evaluation() (string, error) {
	if len(d.run.evalRows) == 0 {
		return "nothing is held out", nil
	}
	return d.run.evalCounts.String() + " are held out", d.run.reading(d.ctx, d.run.reportOverlap)
}

func (d *doctor) steps() (string, error) {
	if err := d.run.planSteps(); err != nil {
		return "", err
	}
	t := &d.run.config.Train
	return fmt.Sprintf("%s steps of %d rows, %d of them warm up; learning_rate %g, %s", wording.Number(d.run.totalSteps), t.batchSize(), d.run.warmup,
		t.LearningRate, t.LRSchedulerType), nil
}

func (d *doctor) adapter() (string, error) {
	if d.run.totalSteps == 0 { // the data cannot be read; layers can be matched all the same
		d.run.totalSteps = max(1, d.run.config.Train.MaxSteps)
	}
	if err := d.run.checkWeights(); err != nil {
		return "", err
	}
	if err := d.run.attach(d.ctx); err != nil {
		return "", err
	}
	trained := fmt.Sprintf("%s trainable parameters", wording.Number(d.run.result.Trainable))
	if d.run.adapter == nil {
		return "method full: " + trained, nil
	}
	return fmt.Sprintf("%s on %d layers: %s", d.run.config.Method.Name, len(d.run.adapter.Layers()), trained), nil
}

func (d *doctor) resume() (string, error) {
	return "goes on from " + d.run.resumeFrom, d.run.restore()
}

func (d *doctor) memory() (string, error) {
	if err := d.run.planMemory(); err != nil {
		return "", err
	}
	return d.run.result.Memory.String(), nil
}

// WriteFindings prints findings as a table.
func WriteFindings(w io.Writer, findings []Finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "CHECK\tSTATUS\tRESULT\tWHAT TO DO")
	for _, f := range findings {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Check, f.Status, f.Result, f.Advice)
	}
	return t.Flush()
}
