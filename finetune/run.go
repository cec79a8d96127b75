package finetune

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// Options are how a run is carried out, not what it computes.
type Options struct {
	// Resume continues from the newest whole checkpoint of the output folder; Overwrite empties the folder first.
	// Without either an existing folder is refused.
	Resume, Overwrite bool
	// ShowBatch prints the first row decoded, with its scored part marked.
	ShowBatch bool
	// Log takes the run's events; Out what a person reads (may be io.Discard).
	Log zerolog.Logger
	Out io.Writer
	// Progress is called after every step.
	Progress func(Progress)
}

// Progress is where a run is.
type Progress struct {
	Step, Steps     int
	Loss, Rate      float64
	TokensPerSecond float64
	Remaining       time.Duration
}

// Evaluation is one look at the held-out data.
type Evaluation struct {
	Step  int      `json:"step"`
	Loss  float64  `json:"eval_loss"`
	Score *float64 `json:"eval_score,omitempty"`
	// Metrics are the task's figures over all answers, Score among them.
	Metrics map[string]float64 `json:"eval_metrics,omitempty"`
}

// Result is what a run came to.
type Result struct {
	// Steps is how many were done; Reason why no more were.
	Steps  int
	Reason string
	// OutputDir holds the trained adapter, or the model where all of it trained.
	OutputDir   string
	Evaluations []Evaluation
	Trainable   int
	// Memory is what was expected, PeakBytes the most that the process has held (0 where the system does not tell).
	Memory    Memory
	PeakBytes int
	Seconds   float64
	Tokens    int
	// Task is the task of the run, which has read its data.
	Task tasks.Task
}

// ErrInterrupted is returned by a run that was told to stop: it has saved a checkpoint.
var ErrInterrupted = errors.New("interrupted")

// run is the state of Run.
type run struct {
	c    Config
	o    Options
	m    *model.Model
	tok  *tokenizer.Tokenizer
	s    *infer.Session
	task tasks.Task
	a    *adapter.Adapter // nil where all parameters train
	t    *Trainer

	newHead         bool               // the head is to be trained
	texts           *tasks.PairEncoder // for tasks that draw their rows
	rows, held      []tasks.Features
	perEpoch, total int
	rate            func(step int) float64
	state           State
	result          Result
	metrics         *os.File
	busy            float64 // seconds spent in steps
	resumed         string  // the checkpoint that the run goes on from
}

// Run trains as c says and leaves the result in c.OutputDir. On cancellation of ctx it saves a checkpoint and returns
// ErrInterrupted.
func Run(ctx context.Context, c Config, o Options) (*Result, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	r := &run{c: c, o: o}
	err := r.prepare(ctx)
	if err == nil {
		defer r.close()
		err = r.train(ctx)
	}
	if err != nil {
		return &r.result, fmt.Errorf("finetune: %w", err)
	}
	return &r.result, nil
}

func (r *run) close() {
	_ = r.m.Close()
	_ = r.metrics.Close()
}

// prepare does all that can fail before the first step; nothing is written before everything else is right.
func (r *run) prepare(ctx context.Context) error {
	if err := r.findCheckpoint(); err != nil {
		return err
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.encode(); err != nil {
		return err
	}
	if err := r.attach(ctx); err != nil {
		return err
	}
	if err := r.restore(); err != nil {
		return err
	}
	if err := r.budget(); err != nil {
		return err
	}
	return r.open()
}

// findCheckpoint decides what happens with an existing output folder.
func (r *run) findCheckpoint() error {
	dir := r.c.Save.OutputDir
	if dir == "" {
		return errors.New("output_dir is empty; name a folder for the run")
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		if r.o.Resume {
			r.o.Log.Info().Str("output_dir", dir).Msg("nothing to resume; starting from the beginning")
		}
		return nil
	case err != nil:
		return fmt.Errorf("output_dir: %w", err)
	case r.o.Overwrite:
		return nil
	case !r.o.Resume:
		return fmt.Errorf("output_dir: %s is not empty; use --resume to continue that run or --overwrite to replace it", dir)
	}
	found, s, broken, err := latest(dir)
	if err != nil {
		return err
	}
	for _, b := range broken {
		r.o.Log.Warn().Str("checkpoint", b).Msg("checkpoint is not whole; an older one is used")
	}
	if found == "" {
		return fmt.Errorf("output_dir: %s holds no whole checkpoint to resume; use --overwrite to start again", dir)
	}
	if s.Seed != r.c.Train.Seed {
		return fmt.Errorf("seed is %d, that of the run in %s was %d", r.c.Train.Seed, dir, s.Seed)
	}
	r.resumed, r.state = found, s
	return nil
}

// attach makes what trains.
func (r *run) attach(ctx context.Context) error {
	total := r.m.NumParameters()
	if r.c.Method.Name == "full" {
		r.result.Trainable = total
		_, _ = fmt.Fprintf(r.o.Out, "trainable parameters: %s of %s (100 %%)\n", wording.Number(total), wording.Number(total))
	} else {
		if err := r.adapt(ctx); err != nil {
			return err
		}
		r.result.Trainable = r.a.NumTrainable()
		for _, line := range r.a.Describe() {
			_, _ = fmt.Fprintln(r.o.Out, line)
		}
	}
	r.adviseRate()
	c := &r.c.Train
	r.t = NewTrainer(r.m, r.a, TrainerOptions{AdamBeta1: c.AdamBeta1, AdamBeta2: c.AdamBeta2, AdamEpsilon: c.AdamEpsilon,
		WeightDecay: c.WeightDecay, MaxGradNorm: c.MaxGradNorm, MaxTokensPerMicroBatch: c.MaxTokensPerMicroBatch, Seed: c.Seed})
	r.s = infer.NewSession(r.m, r.tok, r.t.adapter)
	return nil
}

// adviseRate prints the rates that are usual for the method, and warns of one that is far from them. They are those of
// models from some hundred million parameters on.
func (r *run) adviseRate() {
	var settings struct{ R int }
	if b, err := json.Marshal(r.c.Method.Settings); err != nil || json.Unmarshal(b, &settings) != nil {
		return
	}
	s, err := adapter.SuggestLR(r.c.Method.Name, cmp.Or(settings.R, 8))
	if err != nil || r.c.Model.Path == infer.Embedded || r.c.Model.Path == "" || r.m.Head().Kind != head.CausalLM {
		return
	}
	_, _ = fmt.Fprintf(r.o.Out, "learning_rate %.3g; usual are %.2g to %.2g (%s)\n", r.c.Train.LearningRate, s.Low, s.High, s.Reason)
	if advice := s.Warn(r.c.Train.LearningRate); advice != "" {
		r.o.Log.Warn().Msg(advice)
	}
}

// adapt puts the run's adapter on the model, new or from the checkpoint.
func (r *run) adapt(ctx context.Context) error {
	method, err := r.methodAt(0)
	if err != nil {
		return err
	}
	if r.resumed != "" {
		if r.a, err = adapter.Load(ctx, r.m, r.resumed, infer.AdapterName); err == nil {
			err = r.loadBase(r.resumed)
		}
	} else {
		r.a, err = adapter.Attach(ctx, r.m, infer.AdapterName, method, stream(r.c.Train.Seed, forAdapter, 0))
	}
	if err != nil {
		return err
	}
	r.a.Method.Settings().BaseModel = r.c.baseModel()
	return r.a.OnTrainBegin(r.total)
}

// restore puts the checkpoint's adapter and optimizer in place.
func (r *run) restore() error {
	digest := r.digest()
	if r.resumed == "" {
		r.state = State{Seed: r.c.Train.Seed, Digest: digest}
		return nil
	}
	switch r.state.Digest {
	case digest:
	case r.digestBefore():
		r.o.Log.Warn().Msg("the checkpoint was made by an earlier version: the run continues, but not to the same bits")
		r.state.Digest = digest
	default:
		return fmt.Errorf("the recipe or the data changed since %s was written; use --overwrite to start again", r.resumed)
	}
	if r.state.Kernel != cpu.Used.String() {
		r.o.Log.Warn().Str("then", r.state.Kernel).Str("now", cpu.Used.String()).
			Msg("the checkpoint was made on another kernel: the run continues, but not to the same bits")
	}
	if err := r.t.AdamW.load(filepath.Join(r.resumed, "optimizer.safetensors")); err != nil {
		return err
	}
	if r.a != nil {
		if err := r.a.LoadState(r.resumed); err != nil {
			return err
		}
	}
	r.o.Log.Info().Str("checkpoint", r.resumed).Int("step", r.state.Step).Msg("resumed")
	return nil
}

// digest is of all that decides the course of the run.
func (r *run) digest() string {
	course, err := json.Marshal(r.c.course())
	if err != nil {
		return ""
	}
	return digestOf(course, r.rows)
}

// digestOf is of a run's keys and its rows.
func digestOf(course []byte, rows []tasks.Features) string {
	h := sha256.New()
	h.Write(course)
	for _, row := range rows {
		_ = binary.Write(h, binary.LittleEndian, row.IDs)
		_ = binary.Write(h, binary.LittleEndian, row.Labels)
		_ = binary.Write(h, binary.LittleEndian, row.FloatLabels)
		_ = binary.Write(h, binary.LittleEndian, row.TokenTypeIDs)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// open makes the output folder and its metrics file.
func (r *run) open() error {
	dir := r.c.Save.OutputDir
	r.result.OutputDir = dir
	if r.o.Overwrite {
		if err := emptyRun(dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	path := filepath.Join(dir, "metrics.jsonl")
	if err := cutMetrics(path, r.state.Step); err != nil {
		return err
	}
	var err error
	r.metrics, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	return err
}

// emptyRun removes a run's folder, but only if that is what it is.
func emptyRun(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "metrics.jsonl")); err != nil {
		return fmt.Errorf("output_dir: %s is not empty and is no run's folder (it has no metrics.jsonl); it is not overwritten", dir)
	}
	return os.RemoveAll(dir)
}

// record appends a line to metrics.jsonl.
func (r *run) record(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = r.metrics.Write(append(b, '\n'))
	return err
}

// saveState writes the weights and what else training needs to go on.
func (r *run) saveState(dir string) error {
	if r.a == nil {
		return r.saveWeights(dir)
	}
	if err := r.saveAdapter(dir); err != nil {
		return err
	}
	if err := r.a.SaveState(dir); err != nil {
		return err
	}
	return r.saveBase(dir)
}

// saveWeights writes into a folder what the run results in: the adapter, or the whole model with the tokenizer beside it
// where all of it trains or the adapter is folded in by restarts.
func (r *run) saveWeights(dir string) error {
	ctx := context.Background() // after Ctrl-C above all
	switch {
	case r.a == nil:
		if err := r.m.Save(ctx, dir, "", checkpoint.DTypeF32); err != nil {
			return err
		}
	case r.c.Train.ReLoRASteps > 0:
		if err := r.m.Save(ctx, dir, infer.AdapterName, checkpoint.DTypeF32); err != nil {
			return err
		}
	default:
		return r.saveAdapter(dir)
	}
	return r.host().Write(dir)
}

func (r *run) saveAdapter(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := r.a.Save(dir); err != nil {
		return err
	}
	return r.host().Write(dir)
}
