package finetune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// ErrDiverged is in the error of a step whose loss or gradients are not finite.
var ErrDiverged = errors.New("training has diverged")

// TrainerOptions are how a Trainer trains. The zero value is AdamW with PyTorch's betas, without weight decay or clipping.
type TrainerOptions struct {
	// AdamBeta1, AdamBeta2 and AdamEpsilon are AdamW's; 0 is 0.9, 0.999 and 1e-8.
	AdamBeta1, AdamBeta2, AdamEpsilon float64
	WeightDecay                       float64
	// MaxGradNorm clips the gradients' global norm; 0 leaves them.
	MaxGradNorm float64
	// MaxTokensPerMicroBatch is about how many tokens run at once; 0 goes by the model.
	MaxTokensPerMicroBatch int
	// Checkpointing runs every layer again in the backward pass instead of keeping its inside.
	Checkpointing bool
	// Seed decides the dropout masks.
	Seed uint64
}

// Hooks is told of a step's stages; an adapter is one.
type Hooks interface {
	// OnPreOptimizerStep may add to the gradients of a step when they are complete.
	OnPreOptimizerStep()
	// OnStepEnd is told that a step, counted from 1, has moved the parameters; their gradients are still there.
	OnStepEnd(step int)
	// ParamsChanged is told that parameters have changed, before the next pass.
	ParamsChanged()
}

var _ Hooks = (*adapter.Adapter)(nil)

// Trainer moves the parameters of one model by batches of rows.
type Trainer struct {
	Model *model.Model
	// Params are what training moves, in a fixed order.
	Params []model.Param
	AdamW  *AdamW
	// Options are those that it was made with, defaults filled in.
	Options TrainerOptions
	// Profile, where not nil, gathers the time of steps by kind of operator.
	Profile *op.Profile

	adapter string // its name in passes; "" where the base trains
	hooks   Hooks  // nil where the base trains
}

// NewTrainer trains an adapter of the model, or all of its parameters where a is nil.
func NewTrainer(m *model.Model, a *adapter.Adapter, o TrainerOptions) *Trainer {
	o.AdamBeta1, o.AdamBeta2 = cmp.Or(o.AdamBeta1, 0.9), cmp.Or(o.AdamBeta2, 0.999)
	o.AdamEpsilon = cmp.Or(o.AdamEpsilon, 1e-8)
	o.MaxTokensPerMicroBatch = cmp.Or(o.MaxTokensPerMicroBatch, infer.DefaultMicroBatchTokens(m))
	t := &Trainer{Model: m, Options: o}
	if a == nil {
		t.Params = allParams(m)
	} else {
		t.use(a)
	}
	t.AdamW = NewAdamW(t.Params, o.AdamBeta1, o.AdamBeta2, o.AdamEpsilon, o.WeightDecay)
	return t
}

// use makes an adapter what trains.
func (t *Trainer) use(a *adapter.Adapter) { t.adapter, t.hooks, t.Params = a.Name, a, a.Params() }

// allParams makes every weight of a model trainable and lists them.
func allParams(m *model.Model) []model.Param {
	var ps []model.Param
	m.Weights(func(w *model.Weight) {
		if w.Tied() == nil && !w.Buffer() {
			ps = append(ps, model.Param{Name: w.Name, Param: w.Train()})
		}
	})
	return ps
}

// StepStats is what one step did.
type StepStats struct {
	// Loss is the mean over all that is scored in the batch, before the update: tokens, or documents.
	Loss float64
	// GradNorm is the gradients' norm before clipping.
	GradNorm float64
	// Tokens and Scored count the batch.
	Tokens, Scored int
}

// Step computes the gradients of the mean loss over all that is scored in rows and updates the parameters. number counts
// steps from 0. Nothing has moved when it returns an error.
func (t *Trainer) Step(ctx context.Context, rows []tasks.Features, number int, lr float64) (StepStats, error) {
	return t.step(ctx, rows, number, lr, nil)
}

// step is Step; check, where not nil, sees the gradients before the update.
func (t *Trainer) step(ctx context.Context, rows []tasks.Features, number int, lr float64, check func([]model.Param) error) (StepStats, error) {
	s, err := t.gradients(ctx, rows, number)
	if err == nil && check != nil {
		err = check(t.Params)
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
	clip(t.Params, norm, t.Options.MaxGradNorm)
	t.AdamW.Step(lr)
	if t.hooks != nil {
		t.hooks.OnStepEnd(step)
	}
	t.AdamW.zeroGrad()
	if t.hooks != nil {
		t.hooks.ParamsChanged()
	}
	if t.Profile != nil {
		t.Profile.Add("optimizer", time.Since(began))
	}
}

// gradients runs the batch in micro-batches and leaves the gradients in the parameters.
func (t *Trainer) gradients(ctx context.Context, rows []tasks.Features, number int) (StepStats, error) {
	s := StepStats{}
	for _, r := range rows {
		s.Tokens += len(r.IDs)
		s.Scored += t.Model.Scored(r.Labels, r.FloatLabels)
	}
	if s.Scored == 0 {
		return s, fmt.Errorf("step %d: nothing is scored in %d rows", number+1, len(rows))
	}
	for i, micro := range infer.MicroBatches(t.Model, rows, t.Options.MaxTokensPerMicroBatch) {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		sum, err := t.microBatch(micro, deriveSeed(t.Options.Seed, purposeDropout, number<<16|i), 1/float32(s.Scored))
		if err != nil {
			return s, fmt.Errorf("step %d: %w", number+1, err)
		}
		if !finite(sum) {
			return s, fmt.Errorf("step %d: %w: the loss is %v in rows %s", number+1, ErrDiverged, sum, sourceOf(micro))
		}
		s.Loss += sum
	}
	s.Loss /= float64(s.Scored)
	if t.hooks != nil {
		t.hooks.OnPreOptimizerStep()
	}
	s.GradNorm = gradNorm(t.Params)
	if !finite(s.GradNorm) {
		return s, fmt.Errorf("step %d: %w: the gradient of %s is not finite (loss %g)", number+1, ErrDiverged, t.culprit(), s.Loss)
	}
	return s, nil
}

// microBatch adds the gradients of some rows and returns the sum of their losses.
func (t *Trainer) microBatch(rows []tasks.Features, seed uint64, scale float32) (float64, error) {
	n := 0
	for _, r := range rows {
		n += t.Model.Scored(r.Labels, r.FloatLabels)
	}
	if n == 0 {
		return 0, nil
	}
	p := &op.Pass{Grad: true, Adapter: t.adapter, Train: true, Seed: seed, Checkpointing: t.Options.Checkpointing, Profile: t.Profile}
	defer p.Release()
	loss, err := t.Model.Loss(p, infer.Batch(t.Model, rows))
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
	return sum, p.Backward(loss, scale)
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

// EvalLoss is the mean loss over all that is scored in rows. On cancellation the context's error is returned.
func (t *Trainer) EvalLoss(ctx context.Context, rows []tasks.Features) (float64, error) {
	return infer.NewSession(t.Model, nil, t.adapter).Loss(ctx, rows, infer.EvalTokens(t.Options.MaxTokensPerMicroBatch))
}

// sourceOf names rows for a message.
func sourceOf(rows []tasks.Features) string {
	if len(rows) == 1 {
		return rows[0].Source
	}
	return rows[0].Source + " to " + rows[len(rows)-1].Source
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
