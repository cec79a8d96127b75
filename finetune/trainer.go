package finetune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// Trainer moves the parameters of one model by windows of rows.
type Trainer struct {
	Model *model.Model
	// Adapter is the name of the adapter that trains; "" where the base does.
	Adapter string
	// Params are what training moves, in a fixed order.
	Params []model.Param
	// Refresh is called when the parameters have changed; Check, where not nil, sees the gradients before the update.
	Refresh func()
	Check   func([]model.Param) error
	// AfterGradients, where not nil, may add to the gradients of a step, and AfterUpdate hears of a step, counted from 1,
	// that has moved the parameters: adapter.Attached has both.
	AfterGradients func()
	AfterUpdate    func(step int)

	MaxGradNorm            float64
	MaxTokensPerMicroBatch int
	Seed                   uint64
	AdamW                  *AdamW
	// Checkpoint runs every layer again in the backward pass instead of keeping its inside.
	Checkpoint bool
	// Profile, where not nil, gathers the time of steps by kind of operator.
	Profile *op.Profile
}

// follow makes an adapter what trains.
func (t *Trainer) follow(a *adapter.Adapter) {
	t.Adapter, t.Params, t.Refresh = AdapterName, a.Params(), a.ParamsChanged
	t.AfterGradients, t.AfterUpdate = a.OnPreOptimizerStep, a.OnStepEnd
}

// ErrDiverged is in the error of a step whose loss or gradients are not finite.
var ErrDiverged = errors.New("training has diverged")

// StepStats is what one step did.
type StepStats struct {
	// Loss is the mean over all that is scored in the window, before the update: tokens, or documents.
	Loss float64
	// GradNorm is the gradients' norm before clipping.
	GradNorm float64
	// Tokens and Scored count the window.
	Tokens, Scored int
}

// Step computes the gradients of the mean loss over all scored tokens of rows and updates the parameters. number counts
// steps from 0. Nothing has moved when it returns an error.
func (t *Trainer) Step(rows []tasks.Features, number int, lr float64) (StepStats, error) {
	s, err := t.gradients(rows, number)
	if err == nil && t.Check != nil {
		err = t.Check(t.Params)
	}
	if err != nil {
		t.AdamW.zeroGrad()
		return s, err
	}
	t.update(s.GradNorm, number+1, lr)
	return s, nil
}

// update moves the parameters along their gradients and forgets these.
func (t *Trainer) update(norm float64, step int, lr float64) {
	began := time.Now()
	clip(t.Params, norm, t.MaxGradNorm)
	t.AdamW.Step(lr)
	if t.AfterUpdate != nil {
		t.AfterUpdate(step)
	}
	t.AdamW.zeroGrad()
	if t.Refresh != nil {
		t.Refresh()
	}
	if t.Profile != nil {
		t.Profile.Add("optimizer", time.Since(began))
	}
}

// gradients runs the window in slices and leaves the gradients in the parameters.
func (t *Trainer) gradients(rows []tasks.Features, number int) (StepStats, error) {
	s := StepStats{}
	for _, r := range rows {
		s.Tokens += len(r.IDs)
		s.Scored += t.Model.Scored(r.Labels, r.FloatLabels)
	}
	if s.Scored == 0 {
		return s, fmt.Errorf("step %d: nothing is scored in %d rows", number+1, len(rows))
	}
	for i, slice := range t.microBatches(rows, t.MaxTokensPerMicroBatch) {
		sum, err := t.microBatch(slice, stream(t.Seed, forDropout, number<<16|i), 1/float32(s.Scored))
		if err != nil {
			return s, fmt.Errorf("step %d: %w", number+1, err)
		}
		if !finite(sum) {
			return s, fmt.Errorf("step %d: %w: the loss is %v in rows %s", number+1, ErrDiverged, sum, where(slice))
		}
		s.Loss += sum
	}
	s.Loss /= float64(s.Scored)
	if t.AfterGradients != nil {
		t.AfterGradients()
	}
	s.GradNorm = gradNorm(t.Params)
	if !finite(s.GradNorm) {
		return s, fmt.Errorf("step %d: %w: the gradient of %s is not finite (loss %g)", number+1, ErrDiverged, t.culprit(), s.Loss)
	}
	return s, nil
}

// microBatch adds the gradients of some rows and returns the sum of their losses.
func (t *Trainer) microBatch(rows []tasks.Features, seed uint64, scale float32) (float64, error) {
	b := t.batch(rows)
	n := 0
	for _, r := range rows {
		n += t.Model.Scored(r.Labels, r.FloatLabels)
	}
	if n == 0 {
		return 0, nil
	}
	tape := op.NewPass(true)
	tape.Adapter, tape.Train, tape.Seed = t.Adapter, true, seed
	tape.Checkpointing, tape.Profile = t.Checkpoint, t.Profile
	defer tape.Release()
	loss, err := t.Model.Loss(tape, b)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range op.Matrix(loss).Data {
		sum += float64(v)
	}
	if !finite(sum) {
		return sum, nil
	}
	return sum, tape.Backward(loss, scale)
}

// culprit names a parameter whose gradient is not finite.
func (t *Trainer) culprit() string {
	for _, p := range t.Params {
		if p.HasGrad() && !finite(gradNorm([]model.Param{p})) {
			return p.Name
		}
	}
	return "all parameters together"
}

// microBatches cuts rows into runs of about so many tokens. Sentence embeddings are scored against all others of the window:
// there it stays whole.
func (t *Trainer) microBatches(rows []tasks.Features, tokens int) [][]tasks.Features {
	if t.Model.Head().Kind == head.FeatureExtraction {
		return [][]tasks.Features{rows}
	}
	return microBatches(rows, tokens)
}

// evalPairs is how many pairs are told from one another where the held-out loss is taken.
const evalPairs = 32

// evalBatches are portions of held-out rows; pairs come by a fixed number, whatever the window is.
func (t *Trainer) evalBatches(rows []tasks.Features) [][]tasks.Features {
	if t.Model.Head().Kind != head.FeatureExtraction {
		return t.microBatches(rows, evalSlices*t.MaxTokensPerMicroBatch)
	}
	var out [][]tasks.Features
	for from := 0; from < len(rows); {
		to := min(from+evalPairs, len(rows))
		if to == len(rows)-1 {
			to++ // none is left alone
		}
		out = append(out, rows[from:to])
		from = to
	}
	return out
}

func microBatches(rows []tasks.Features, tokens int) [][]tasks.Features {
	var out [][]tasks.Features
	for from := 0; from < len(rows); {
		to, n := from, 0
		for to < len(rows) && (to == from || n+rows[to].Tokens() <= tokens) {
			n += rows[to].Tokens()
			to++
		}
		out = append(out, rows[from:to])
		from = to
	}
	return out
}

// batch lays rows end to end.
func (t *Trainer) batch(rows []tasks.Features) *model.Batch {
	b := &model.Batch{CuSeqLens: []int{0}}
	seq2seq := t.Model.Head().Kind == head.Seq2SeqLM
	if seq2seq {
		b.TargetCuSeqLens = []int{0}
	}
	for _, r := range rows {
		if r.PairStart > 0 {
			b.CuSeqLens = append(b.CuSeqLens, len(b.IDs)+r.PairStart)
		}
		b.IDs = append(b.IDs, r.IDs...)
		b.Labels = append(b.Labels, r.Labels...)
		b.FloatLabels = append(b.FloatLabels, r.FloatLabels...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
		if r.TokenTypeIDs != nil || b.TokenTypeIDs != nil {
			b.TokenTypeIDs = append(b.TokenTypeIDs, make([]int32, len(b.IDs)-len(r.IDs)-len(b.TokenTypeIDs))...)
			b.TokenTypeIDs = append(b.TokenTypeIDs, r.TokenTypeIDs...)
		}
		if seq2seq {
			b.TargetCuSeqLens = append(b.TargetCuSeqLens, len(b.Labels))
		}
	}
	if b.TokenTypeIDs != nil {
		b.TokenTypeIDs = append(b.TokenTypeIDs, make([]int32, len(b.IDs)-len(b.TokenTypeIDs))...)
	}
	return b
}

// where names rows for a message.
func where(rows []tasks.Features) string {
	if len(rows) == 1 {
		return rows[0].Source
	}
	return rows[0].Source + " to " + rows[len(rows)-1].Source
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// evalSlices is how much larger slices are where no backward pass follows.
const evalSlices = 4

// EvalLoss is the mean loss over all that is scored in rows. On cancellation the context's error is returned.
func (t *Trainer) EvalLoss(ctx context.Context, rows []tasks.Features) (float64, error) {
	sum, n := 0.0, 0
	for _, slice := range t.evalBatches(rows) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		tape := op.NewPass(false)
		tape.Adapter = t.Adapter
		loss, err := t.Model.Loss(tape, t.batch(slice))
		if err == nil {
			for _, v := range op.Matrix(loss).Data {
				sum += float64(v)
			}
			n += op.Matrix(loss).Rows
		}
		tape.Release()
		if err != nil {
			return 0, err
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("nothing is scored in %d held-out rows", len(rows))
	}
	return sum / float64(n), nil
}
