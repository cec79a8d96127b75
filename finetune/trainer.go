package finetune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/op"
	"github.com/spagotune/spagotune/model"
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

	MaxGradNorm float64
	SliceTokens int
	Seed        uint64
	AdamW       *AdamW
	// Checkpoint runs every layer again in the backward pass instead of keeping its inside.
	Checkpoint bool
	// Profile, where not nil, gathers the time of steps by kind of operator.
	Profile *op.Profile
}

// adapt makes an adapter what trains.
func (t *Trainer) adapt(a *adapter.Attached) {
	t.Adapter, t.Params, t.Refresh = AdapterName, a.Params(), a.Refresh
	t.AfterGradients, t.AfterUpdate = a.AfterGradients, a.AfterUpdate
}

// ErrDiverged is in the error of a step whose loss or gradients are not finite.
var ErrDiverged = errors.New("training has diverged")

// Step is what one step did.
type Step struct {
	// Loss is the mean over all that is scored in the window, before the update: tokens, or documents.
	Loss float64
	// GradNorm is the gradients' norm before clipping.
	GradNorm float64
	// Tokens and Scored count the window.
	Tokens, Scored int
}

// Step computes the gradients of the mean loss over all scored tokens of rows and updates the parameters. number counts
// steps from 0. Nothing has moved when it returns an error.
func (t *Trainer) Step(rows []tasks.Row, number int, lr float64) (Step, error) {
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
func (t *Trainer) gradients(rows []tasks.Row, number int) (Step, error) {
	s := Step{}
	for _, r := range rows {
		s.Tokens += len(r.IDs)
		s.Scored += t.Model.Scored(r.Labels, r.Values)
	}
	if s.Scored == 0 {
		return s, fmt.Errorf("step %d: nothing is scored in %d rows", number+1, len(rows))
	}
	for i, slice := range t.portions(rows, t.SliceTokens) {
		sum, err := t.slice(slice, stream(t.Seed, forDropout, number<<16|i), 1/float32(s.Scored))
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

// slice adds the gradients of some rows and returns the sum of their losses.
func (t *Trainer) slice(rows []tasks.Row, seed uint64, scale float32) (float64, error) {
	b := t.batch(rows)
	n := 0
	for _, r := range rows {
		n += t.Model.Scored(r.Labels, r.Values)
	}
	if n == 0 {
		return 0, nil
	}
	tape := op.NewTape(true)
	tape.Adapter, tape.Train, tape.Seed = t.Adapter, true, seed
	tape.Checkpoint, tape.Profile = t.Checkpoint, t.Profile
	defer tape.Release()
	loss, err := t.Model.Loss(tape, b)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range op.Mat(loss).Data {
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

// portions cuts rows into runs of about so many tokens. Sentence embeddings are scored against all others of the window:
// there it stays whole.
func (t *Trainer) portions(rows []tasks.Row, tokens int) [][]tasks.Row {
	if t.Model.Head().Kind == model.Embedding {
		return [][]tasks.Row{rows}
	}
	return portions(rows, tokens)
}

// evalPairs is how many pairs are told from one another where the held-out loss is taken.
const evalPairs = 32

// evalPortions are portions of held-out rows; pairs come by a fixed number, whatever the window is.
func (t *Trainer) evalPortions(rows []tasks.Row) [][]tasks.Row {
	if t.Model.Head().Kind != model.Embedding {
		return t.portions(rows, evalSlices*t.SliceTokens)
	}
	var out [][]tasks.Row
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

func portions(rows []tasks.Row, tokens int) [][]tasks.Row {
	var out [][]tasks.Row
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
func (t *Trainer) batch(rows []tasks.Row) *model.Batch {
	b := &model.Batch{Bounds: []int{0}}
	seq2seq := t.Model.Head().Kind == model.Seq2SeqLM
	if seq2seq {
		b.TargetBounds = []int{0}
	}
	for _, r := range rows {
		if r.Second > 0 {
			b.Bounds = append(b.Bounds, len(b.IDs)+r.Second)
		}
		b.IDs = append(b.IDs, r.IDs...)
		b.Labels = append(b.Labels, r.Labels...)
		b.Values = append(b.Values, r.Values...)
		b.Bounds = append(b.Bounds, len(b.IDs))
		if r.Types != nil || b.Types != nil {
			b.Types = append(b.Types, make([]int32, len(b.IDs)-len(r.IDs)-len(b.Types))...)
			b.Types = append(b.Types, r.Types...)
		}
		if seq2seq {
			b.TargetBounds = append(b.TargetBounds, len(b.Labels))
		}
	}
	if b.Types != nil {
		b.Types = append(b.Types, make([]int32, len(b.IDs)-len(b.Types))...)
	}
	return b
}

// where names rows for a message.
func where(rows []tasks.Row) string {
	if len(rows) == 1 {
		return rows[0].Where
	}
	return rows[0].Where + " to " + rows[len(rows)-1].Where
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// evalSlices is how much larger slices are where no backward pass follows.
const evalSlices = 4

// EvalLoss is the mean loss over all that is scored in rows. On cancellation the context's error is returned.
func (t *Trainer) EvalLoss(ctx context.Context, rows []tasks.Row) (float64, error) {
	sum, n := 0.0, 0
	for _, slice := range t.evalPortions(rows) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		tape := op.NewTape(false)
		tape.Adapter = t.Adapter
		loss, err := t.Model.Loss(tape, t.batch(slice))
		if err == nil {
			for _, v := range op.Mat(loss).Data {
				sum += float64(v)
			}
			n += op.Mat(loss).Rows
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
