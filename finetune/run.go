package finetune

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
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
	Step, Steps        int
	Loss, LearningRate float64
	TokensPerSecond    float64
	Remaining          time.Duration
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

	newHead                   bool               // the head is to be trained
	pairEncoder               *tasks.PairEncoder // for tasks that draw their rows
	rows, evalRows            []tasks.Features
	stepsPerEpoch, totalSteps int
	lrAt                      func(step int) float64
	state                     TrainerState
	result                    Result
	metrics                   *os.File
	trainSeconds              float64 // seconds spent in steps
	resumeFrom                string  // the checkpoint that the run goes on from
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
	if err := r.planMemory(); err != nil {
		return err
	}
	return r.openOutput()
}
