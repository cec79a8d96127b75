package optim

import (
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestOptimizerRestart checks that parameters that stay keep their moments, and that new ones start as in a new
// optimizer.
func TestOptimizerRestart(t *testing.T) {
	param := func() model.Param { return model.Param{Param: op.NewParam([]float32{1}, 1, 1)} }
	move := func(o *Optimizer) {
		for _, p := range o.params {
			op.Grad(p.Param).Data[0] = 2
		}
		o.Step(0.1)
		o.ZeroGrad()
	}
	kept, old, fresh, alone := param(), param(), param(), param()
	o := New(AdamW{0.9, 0.999, 1e-8}, []model.Param{kept, old}, Options{})
	move(o)
	if n := o.Restart([]model.Param{fresh, kept}); n != 1 {
		t.Errorf("%d values start at zero, want 1", n)
	}
	move(o)
	one := New(AdamW{0.9, 0.999, 1e-8}, []model.Param{alone}, Options{})
	move(one)
	if got, want := op.Data(fresh.Param).Data[0], op.Data(alone.Param).Data[0]; got != want {
		t.Errorf("a new parameter is at %g, in a new optimizer at %g", got, want)
	}
	if o.steps[0] != 1 || o.steps[1] != 2 {
		t.Errorf("steps are %v, want [1 2]", o.steps)
	}
}
