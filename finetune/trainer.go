package finetune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
)

// ErrDiverged is wrapped by the error of a step whose loss or gradients are not finite.
var ErrDiverged = errors.New("training has diverged")

// TrainerOptions say how a Trainer trains. The zero value is AdamW with PyTorch's betas, without weight decay or
// clipping.
type TrainerOptions struct {
	// Optimizer moves the parameters; nil is AdamW with AdamBeta1, AdamBeta2 and AdamEpsilon, where 0 means 0.9, 0.999 and 1e-8.
	Optimizer                         optim.Rule
	AdamBeta1, AdamBeta2, AdamEpsilon float64
	WeightDecay                       float64
	// WeightDecayAll lets norms and biases decay too, which Hugging Face's Trainer leaves out.
	WeightDecayAll bool
	// MaxGradNorm clips the global norm of the gradients; 0 does not clip.
	MaxGradNorm float64
	// MaxTokensPerMicroBatch is how many tokens a micro-batch may have; 0 depends on the model, see
	// infer.DefaultMicroBatchTokens.
	MaxTokensPerMicroBatch int
	// Checkpointing recomputes every layer in the backward pass instead of keeping its activations.
	Checkpointing bool
	// BF16 rounds the factors of matrix products to bfloat16, see op.Pass.
	BF16 bool
	// Seed decides the dropout masks and the noise on embeddings.
	Seed uint64
	// Regularization is the model's own dropout, label smoothing and noise on embeddings.
	op.Regularization
	// Ranks, if not nil, are the processes that share the micro-batches of every step, and the optimizer's state. They call Step with
	// the same arguments, and all end with the same parameters.
	Ranks infer.Ranks
}

// Hooks is called at the stages of a step. An adapter implements it.
type Hooks interface {
	// OnPreOptimizerStep is called when the gradients of a step are complete. It may add to them.
	OnPreOptimizerStep()
	// OnStepEnd is called when a step, counted from 1, has updated the parameters. Their gradients are still there.
	OnStepEnd(step int)
	// ParamsChanged is called when parameters have changed, before the next pass.
	ParamsChanged()
}

var _ Hooks = (*adapter.Adapter)(nil)

// Trainer updates the parameters of a model with batches of rows.
type Trainer struct {
	Model *model.Model
	// Params are the trained parameters, in a fixed order.
	Params []model.Param
	// Optimizer moves them.
	Optimizer *optim.Optimizer
	// Options are those given to NewTrainer, with defaults filled in.
	Options TrainerOptions
	// Profile, if not nil, collects the time of steps by kind of operator.
	Profile *op.Profile

	adapter string // its name in passes; "" if the base trains
	hooks   Hooks  // nil if the base trains
	sum     gradientSum
	shards  shards
	leaf    int           // micro-batches of a leaf of the tree of gradients
	summing time.Duration // spent on adding the gradients of all ranks
}

// NewTrainer returns a trainer of an adapter of the model, or of all the model's parameters if a is nil.
func NewTrainer(m *model.Model, a *adapter.Adapter, o TrainerOptions) *Trainer {
	o.AdamBeta1, o.AdamBeta2 = cmp.Or(o.AdamBeta1, 0.9), cmp.Or(o.AdamBeta2, 0.999)
	o.AdamEpsilon = cmp.Or(o.AdamEpsilon, 1e-8)
	if o.Optimizer == nil {
		o.Optimizer = optim.AdamW{Beta1: o.AdamBeta1, Beta2: o.AdamBeta2, Eps: o.AdamEpsilon}
	}
	o.MaxTokensPerMicroBatch = cmp.Or(o.MaxTokensPerMicroBatch, infer.DefaultMicroBatchTokens(m))
	t := &Trainer{Model: m, Options: o, shards: shards{ranks: o.Ranks, whole: a != nil && a.ReadsGradients()}}
	if a == nil {
		t.setParams(allParams(m))
	} else {
		t.setAdapter(a)
	}
	how := optim.Options{WeightDecay: o.WeightDecay, Embedding: embeddingsOf(m, t.adapter), Owns: t.shards.owns}
	if !o.WeightDecayAll {
		how.NoDecay = exemptFromDecay(m, t.adapter)
	}
	t.Optimizer = optim.New(o.Optimizer, t.Params, how)
	return t
}

// setAdapter makes the trainer train an adapter.
func (t *Trainer) setAdapter(a *adapter.Adapter) {
	t.adapter, t.hooks = a.Name, a
	t.setParams(a.Params())
}

func (t *Trainer) setParams(ps []model.Param) {
	t.Params, t.leaf = ps, 1
	if t.adapter == "" {
		t.leaf = leafOfAll
	}
	t.sum = gradientSum{params: ps, lends: t.leaf == 1}
	embedding := embeddingsOf(t.Model, t.adapter)
	t.shards.assign(ps, func(p model.Param) int {
		m := op.Data(p.Param)
		return optim.StateBytes(t.Options.Optimizer.State(m.Rows, m.Cols, embedding(p)))
	})
}

// allParams makes every weight of a model trainable and returns them.
func allParams(m *model.Model) []model.Param {
	var ps []model.Param
	m.Weights(func(w *model.Weight) {
		if w.Tied() == nil && !w.Buffer() {
			ps = append(ps, model.Param{Name: w.Name, Param: w.Train(), Idle: w.OfExpert()})
		}
	})
	return ps
}

// StepStats describes one optimizer step.
type StepStats struct {
	// Loss is the mean over everything that is scored in the batch (tokens, or documents), before the update.
	Loss float64
	// GradNorm is the norm of all gradients together, before clipping.
	GradNorm float64
	// Tokens and Scored count the tokens of the batch and its scored tokens or documents.
	Tokens, Scored int
}

// Step computes the gradients of the mean loss over everything that is scored in rows and updates the parameters with
// learning rate lr. number counts steps from 0; it decides the dropout masks. After an error the parameters are
// unchanged, unless it is one of the connection between ranks.
func (t *Trainer) Step(ctx context.Context, rows []tasks.Features, number int, lr float64) (StepStats, error) {
	return t.step(ctx, rows, number, lr, nil)
}

// step is Step with a check, if not nil, of the gradients before the update; squares are those of shards.squares.
func (t *Trainer) step(ctx context.Context, rows []tasks.Features, number int, lr float64, check func(params []model.Param, squares []float64) error) (StepStats, error) {
	s, squares, err := t.gradients(ctx, rows, number)
	if err == nil && check != nil {
		err = check(t.Params, squares)
	}
	if err != nil {
		t.Optimizer.ZeroGrad()
		return s, err
	}
	return s, t.update(s.GradNorm, number+1, lr)
}

// update clips the gradients, takes the optimizer step and zeroes the gradients.
func (t *Trainer) update(norm float64, step int, lr float64) error {
	began := time.Now()
	clip(t.Params, norm, t.Options.MaxGradNorm)
	t.Optimizer.Step(lr)
	moved := time.Now()
	if err := t.shards.shareParams(); err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	shared := time.Since(moved)
	t.summing += shared
	if t.hooks != nil {
		t.hooks.OnStepEnd(step)
	}
	t.Optimizer.ZeroGrad()
	if t.hooks != nil {
		t.hooks.ParamsChanged()
	}
	if t.Profile != nil {
		t.Profile.Add("optimizer", time.Since(began)-shared)
		t.Profile.Add("ranks", shared)
	}
	return nil
}

// gradients runs the batch in micro-batches and accumulates the gradients in the parameters. squares are those of shards.squares.
func (t *Trainer) gradients(ctx context.Context, rows []tasks.Features, number int) (_ StepStats, squares []float64, err error) {
	s, weight := StepStats{}, 0.0
	for _, r := range rows {
		s.Tokens += len(r.IDs)
		n := t.Model.Scored(r.Labels, r.FloatLabels)
		s.Scored += n
		weight += r.LossWeight(n)
	}
	if weight == 0 {
		weight = 1 // all weights are 0, and so are the losses
	}
	if s.Scored == 0 {
		return s, nil, fmt.Errorf("step %d: nothing is scored in %d rows", number+1, len(rows))
	}
	losses, err := t.sumGradients(ctx, infer.MicroBatches(t.Model, rows, t.Options.MaxTokensPerMicroBatch), number, 1/float32(weight))
	if err != nil {
		return s, nil, err
	}
	for _, l := range losses {
		s.Loss += l
	}
	s.Loss /= weight
	for _, p := range t.Params {
		if p.Idle && !p.HasGrad() { // it is part of a parameter of transformers, of which others have one
			op.SwapGrad(p.Param, op.Grad(p.Param).Data, true)
		}
	}
	if t.hooks != nil {
		t.hooks.OnPreOptimizerStep()
	}
	if squares, err = t.shards.squares(t.Params); err != nil {
		return s, nil, err
	}
	s.GradNorm = gradNorm(squares)
	if !numeric.IsFinite(s.GradNorm) {
		return s, nil, fmt.Errorf("step %d: %w: the gradient of %s is not finite (loss %g)", number+1, ErrDiverged, t.notFinite(squares), s.Loss)
	}
	return s, squares, nil
}

// sumGradients leaves scale times the gradients of a step's losses in the parameters, and returns the sum of these losses for
// each leaf of the tree along which they are added.
func (t *Trainer) sumGradients(ctx context.Context, micro [][]tasks.Features, number int, scale float32) ([]float64, error) {
	tokens := make([]int, len(micro))
	for i, rows := range micro {
		for _, r := range rows {
			tokens[i] += r.Tokens()
		}
	}
	tree, before := newSumTree(groups(tokens, t.leaf)), t.sum.spent
	losses := make([]float64, tree.root().len())
	run := func(leaf int) error {
		for i := leaf * t.leaf; i < min(len(micro), (leaf+1)*t.leaf); i++ {
			loss, err := t.microBatch(ctx, micro[i], number, i, scale)
			if err != nil {
				return fmt.Errorf("step %d: %w", number+1, err)
			}
			losses[leaf] += loss
		}
		return nil
	}
	if t.Profile != nil {
		defer func() { t.Profile.Add("gradient sums", t.sum.spent-before) }()
	}
	if t.shards.ranks == nil {
		return losses, t.sum.over(tree, tree.root(), run)
	}
	took, err := newGradientExchange(&t.shards, tree).over(&t.sum, losses, run)
	t.summing += took
	if t.Profile != nil {
		t.Profile.Add("ranks", took)
	}
	return losses, err
}

// microBatch adds the gradients of micro-batch i of a step. Its loss must be finite.
func (t *Trainer) microBatch(ctx context.Context, rows []tasks.Features, number, i int, scale float32) (float64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	loss, err := t.addGradients(rows, deriveSeed(t.Options.Seed, purposeDropout, number<<16|i), scale)
	if err == nil && !numeric.IsFinite(loss) {
		err = fmt.Errorf("%w: the loss is %v in rows %s", ErrDiverged, loss, sourcesOf(rows))
	}
	return loss, err
}

// addGradients runs a micro-batch, adds scale times the gradients of its losses and returns the sum of these losses.
func (t *Trainer) addGradients(rows []tasks.Features, seed uint64, scale float32) (float64, error) {
	n := 0
	for _, r := range rows {
		n += t.Model.Scored(r.Labels, r.FloatLabels)
	}
	if n == 0 {
		return 0, nil
	}
	p := &op.Pass{Grad: true, Adapter: t.adapter, Train: true, Seed: seed, Regularization: t.Options.Regularization,
		Checkpointing: t.Options.Checkpointing, BF16: t.Options.BF16, Profile: t.Profile}
	defer p.Release()
	loss, err := t.Model.Loss(p, infer.Batch(t.Model, rows))
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range op.Matrix(loss).Data {
		sum += float64(v)
	}
	if !numeric.IsFinite(sum) {
		return sum, nil
	}
	return sum, p.Backward(loss, scale)
}

// notFinite names a parameter whose gradient is not finite.
func (t *Trainer) notFinite(squares []float64) string {
	for i, p := range t.Params {
		if !numeric.IsFinite(squares[i]) {
			return p.Name
		}
	}
	return "all parameters together"
}

// EvalLoss returns the mean loss over everything that is scored in rows. With ranks, all call it.
func (t *Trainer) EvalLoss(ctx context.Context, rows []tasks.Features) (float64, error) {
	s := infer.NewSession(t.Model, nil, t.adapter)
	s.BF16 = t.Options.BF16
	s.Ranks = t.Options.Ranks
	return s.Loss(ctx, rows, infer.EvalTokens(t.Options.MaxTokensPerMicroBatch))
}

// sourcesOf names the data that rows come from, for a message.
func sourcesOf(rows []tasks.Features) string {
	if len(rows) == 1 {
		return rows[0].Source
	}
	return rows[0].Source + " to " + rows[len(rows)-1].Source
}
