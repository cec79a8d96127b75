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
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// Options say how a run is carried out. They do not change what it computes.
type Options struct {
	// Resume continues from the newest whole checkpoint in the output folder. Overwrite removes an existing run first.
	// Without either, an output folder that is not empty is an error.
	Resume, Overwrite bool
	// Session, if not nil, is a base model that is loaded already, without an adapter. It is trained instead of the model that
	// Config.Model names, with its tokenizer unless Config.Model names one. The run works on a model of its own that shares
	// the weights, so the session stays as it is and may be in use; it must stay open. infer.Session.With opens the result.
	Session *infer.Session
	// Version is the version of the program, for environment.json and the run's record; if it is empty, it is the module's.
	Version string
	// MaxTime ends the session in a checkpoint after the step in which it is used up; 0 is no limit.
	MaxTime time.Duration
	// ShowBatch prints the first row, decoded, with its scored part marked.
	ShowBatch bool
	// Log receives the run's events. Out receives what a person reads; nil discards it.
	Log zerolog.Logger
	Out io.Writer
	// Progress, if not nil, is called after every step.
	Progress func(Progress)
	// Ranks, if not nil, are the processes that carry out the run together, each with the same Config. Rank 0 alone writes to the
	// output folder, and to Out.
	Ranks infer.Ranks
	// Evaluated, if not nil, is called after every evaluation but those before the first step and after the last one. If it
	// returns a reason, the run ends there.
	Evaluated func(Evaluation) string

	memory func() int // the machine's memory; nil is process.Memory
}

// machineMemory returns the function that tells the machine's memory.
func (o *Options) machineMemory() func() int {
	if o.memory != nil {
		return o.memory
	}
	return process.Memory
}

// Progress tells how far a run has come.
type Progress struct {
	// Step counts from 1; Steps is the number of steps of the run.
	Step, Steps        int
	Loss, LearningRate float64
	TokensPerSecond    float64
	Remaining          time.Duration
}

// Result is the outcome of a run.
type Result struct {
	// Steps is the number of steps done. Reason says why the run ended.
	Steps  int
	Reason string
	// OutputDir holds the trained adapter, or the whole model (see Config.WholeModel).
	OutputDir   string
	Evaluations []Evaluation
	// Trainable is the number of trained parameters.
	Trainable int
	// Memory is the estimate made before the run. PeakBytes is the peak memory of the process during the run, 0 if the system does
	// not tell.
	Memory    Memory
	PeakBytes int
	// Seconds is the wall time of training and evaluations, Tokens the number of tokens trained on.
	Seconds float64
	Tokens  int
	// Task is the task of the run, which has read its data.
	Task tasks.Task
}

// ErrInterrupted is returned by a run whose context was cancelled. A checkpoint was saved, unless no step was done.
var ErrInterrupted = errors.New("interrupted")

// ErrInUse is wrapped by the error of a run whose folder another process works in.
var ErrInUse = errors.New("another run is working in")

// ErrTimeUp is returned by a run that has used Options.MaxTime. A checkpoint was saved, unless no step was done.
var ErrTimeUp = errors.New("the time is up")

// run is the state of Run.
type run struct {
	config  Config
	options Options
	// givenOptions are the task's options before keepSplit adds to them.
	givenOptions map[string]any

	model   *model.Model
	tok     *tokenizer.Tokenizer
	session *infer.Session
	task    tasks.Task
	adapter *adapter.Adapter // nil if all parameters train
	trainer *Trainer

	open                      infer.Opener // of the model
	tokenizerDir              string
	tokenizerFiles            *infer.TokenizerFiles // saved with the result; nil if they are those of tokenizerDir
	newTokens                 []int                 // that chat_template adds
	newHead                   bool                  // the head has random weights and is trained
	pairEncoder               *tasks.PairEncoder    // for tasks that change their rows at every step
	rows, evalRows            []tasks.Features      // rows are the first ones where the data are streamed
	counts, evalCounts        tasks.Counts          // of the rows
	classes                   int                   // of the rows for training; 0 if they have none, or are streamed
	duplicates                int                   // rows for training whose tokens are those of an earlier one
	batches                   batches
	stepsPerEpoch, totalSteps int
	warmup                    int // steps
	lrAt                      func(step int) float64
	state                     TrainerState
	result                    Result
	metrics                   *os.File
	unlock                    func()      // gives the output folder free; nil before it is the run's
	lockInfo                  os.FileInfo // of the lock; nil where there is none
	bestDue                   bool        // the last evaluation is the best: its weights are saved after the result
	unrecorded                error       // why metrics.jsonl lacks lines
	restoreGC                 func()      // undoes boundGarbage; nil before it
	clock                     clock
	began, saved              time.Time       // when the session began, and when it last wrote a checkpoint
	resumeFrom                string          // the checkpoint that the run resumes from
	settings                  []setting       // of the recipe, with their final values
	rescaled                  bool            // the run was begun with another number of steps
	dry                       bool            // nothing is written
	evalChanged               bool            // the next evaluation cannot be compared with those before
	dataContext               context.Context // ends the reading of the data; nil outside of it
}

// Run trains as c says and writes the result to c.Save.OutputDir. If ctx is cancelled, it saves a checkpoint and
// returns ErrInterrupted. A loss or gradient that is not finite ends it with ErrDiverged.
func Run(ctx context.Context, c Config, o Options) (*Result, error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	r := &run{config: c, options: o, givenOptions: c.Task.Options}
	if !r.leads() {
		r.options.Out, r.options.Progress = io.Discard, nil
	}
	if err := r.together(c.Check()); err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	defer r.close()
	err := checkpoint.Guarded(func() error {
		if err := r.prepare(ctx); err != nil {
			return err
		}
		return r.train(ctx)
	})
	if errors.Is(err, checkpoint.ErrFault) {
		err = fmt.Errorf("%w%s", err, r.lastGood())
	}
	if err != nil {
		return &r.result, fmt.Errorf("finetune: %w", err)
	}
	return &r.result, nil
}

// close releases what prepare has opened so far.
func (r *run) close() {
	if r.batches != nil {
		r.batches.close()
	}
	if r.model != nil {
		_ = r.model.Close()
	}
	if r.metrics != nil {
		_ = r.metrics.Close()
	}
	if r.unlock != nil {
		r.unlock()
	}
	if r.restoreGC != nil {
		r.restoreGC()
	}
}

// prepare does everything that can fail before the first step. Nothing is written until all of it has succeeded.
func (r *run) prepare(ctx context.Context) error {
	process.ResetPeak() // so that the peak is the run's, where other runs were before it in the process
	err := r.shareCheckpoint()
	if err != nil {
		return err
	}
	if r.clock.Date, err = infer.FromFirst(r.options.Ranks, time.Now().Round(0), nil); err != nil {
		return err
	}
	if err := r.together(r.plan(ctx)); err != nil {
		return err
	}
	if err := r.sameRuns(); err != nil {
		return err
	}
	if err := r.shareFolder(); err != nil {
		return err
	}
	return r.together(r.openOutput())
}

// plan loads the model and the data, and says how they are trained.
func (r *run) plan(ctx context.Context) error {
	if err := r.readCheckpoint(); err != nil {
		return err
	}
	r.shareBatch()
	err := r.reading(ctx, func() error {
		if err := r.load(ctx); err != nil {
			return err
		}
		r.logArithmetic(tensor.SpeedupBF16())
		return r.encode()
	})
	if err != nil {
		return err
	}
	if err := r.rescale(); err != nil {
		return err
	}
	if err := r.checkWeights(); err != nil {
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
	r.boundGarbage()
	_, err = r.checkDisk()
	return err
}
