// Package optim has the optimizers of Hugging Face's Trainer, by Trainer's names, one file each. A [Rule] moves one parameter by its
// gradient; an [Optimizer] applies it to all parameters of a training, and keeps, saves and loads what the rule remembers. What belongs
// here is what happens between a gradient and the parameter that it moves; clipping and schedules are package finetune's.
//
//	rule, err := optim.NewRule(optim.Settings{Optim: "adamw_8bit", AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8})
//	if err != nil {
//		return err
//	}
//	params := []model.Param{{Name: "w", Param: op.NewParam(make([]float32, 6), 2, 3)}}
//	o := optim.New(rule, params, optim.Options{WeightDecay: 0.1})
//	o.Step(1e-4) // after a backward pass
//	o.ZeroGrad()
package optim

import (
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Options say how an Optimizer treats parameters. The zero value treats all alike, without weight decay.
type Options struct {
	// WeightDecay is the share of a parameter that the learning rate multiplies; what it does is the rule's.
	WeightDecay float64
	// NoDecay tells the parameters without weight decay; nil is none.
	NoDecay func(model.Param) bool
	// Embedding tells the tables of embeddings, which some rules keep a larger state for; nil is none.
	Embedding func(model.Param) bool
	// Owns tells the parameters that this optimizer keeps the state of, and moves, where others move the rest; nil is all.
	Owns func(model.Param) bool
}

// Optimizer moves parameters by a rule. A parameter's LRScale multiplies its learning rate.
type Optimizer struct {
	rule    Rule
	options Options
	params  []model.Param
	owns    []bool
	states  [][]StateTensor
	steps   []int // taken by each parameter
}

// New returns an optimizer of params, which have not been moved yet.
func New(rule Rule, params []model.Param, o Options) *Optimizer {
	opt := &Optimizer{rule: rule, options: o}
	opt.Restart(params)
	return opt
}

// Params are the parameters that the optimizer moves.
func (o *Optimizer) Params() []model.Param { return o.params }

// Decays says whether a parameter has weight decay.
func (o *Optimizer) Decays(p model.Param) bool {
	return o.options.NoDecay == nil || !o.options.NoDecay(p)
}

// Restart changes the parameters. Those that it has already keep their state and step counts, new ones begin without. It
// returns the number of values of the new ones.
func (o *Optimizer) Restart(params []model.Param) (reset int) {
	old, at := *o, map[*nn.Param]int{}
	for i, p := range o.params {
		at[p.Param] = i
	}
	o.params, o.owns, o.states, o.steps = params, nil, nil, nil
	for _, p := range params {
		owns := o.options.Owns == nil || o.options.Owns(p)
		o.owns = append(o.owns, owns)
		if i, ok := at[p.Param]; ok {
			o.states, o.steps = append(o.states, old.states[i]), append(o.steps, old.steps[i])
			continue
		}
		reset += p.Size()
		var state []StateTensor
		if owns {
			state = newState(o.specs(p))
		}
		o.states, o.steps = append(o.states, state), append(o.steps, 0)
	}
	return reset
}

// specs describe a parameter's state.
func (o *Optimizer) specs(p model.Param) []StateSpec {
	rows, cols := op.Data(p.Param).Rows, op.Data(p.Param).Cols
	return o.rule.State(rows, cols, o.options.Embedding != nil && o.options.Embedding(p))
}

// StateBytes is the memory of the state of the parameters that the optimizer owns.
func (o *Optimizer) StateBytes() int {
	n := 0
	for i, p := range o.params {
		if o.owns[i] {
			n += StateBytes(o.specs(p))
		}
	}
	return n
}

// Step moves every parameter that it owns and that has a gradient, with learning rate lr. The gradients stay as they are.
func (o *Optimizer) Step(lr float64) {
	for i, p := range o.params {
		o.steps[i]++
		if !o.owns[i] || !p.HasGrad() {
			continue
		}
		u := Update{W: op.Data(p.Param), G: op.Grad(p.Param), State: o.states[i], Step: o.steps[i], LR: lr}
		if p.LRScale != 0 {
			u.LR *= p.LRScale
		}
		if o.Decays(p) {
			u.WeightDecay = o.options.WeightDecay
		}
		o.rule.Update(&u)
	}
}

// ZeroGrad clears the gradients.
func (o *Optimizer) ZeroGrad() {
	for _, p := range o.params {
		p.ZeroGrad()
	}
}
