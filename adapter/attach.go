package adapter

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Adapter is an adapter on a model: one piece on every layer that its method chooses, and the trained copies of
// modules_to_save.
type Adapter struct {
	// Name chooses the adapter in a pass (op.Tape.Adapter).
	Name string
	// Method has the settings.
	Method Method

	model    *model.Model
	layers   []layer
	copies   []weightCopy
	course   course   // nil where the method has none
	restores []func() // not nil while merged
}

// layer is one adapted layer.
type layer struct {
	*model.Linear
	adapter model.Adapter
}

// weightCopy is a weight that is trained whole.
type weightCopy struct {
	*model.Weight
	param *nn.Param
}

// Attach puts an untrained adapter on a model under a name. Every name and pattern of the settings must match something;
// the error suggests the nearest names. The numbers that an adapter draws depend on the seed and the layer alone.
func Attach(m *model.Model, name string, method Method, seed uint64) (*Adapter, error) {
	own, err := complete(method)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	a, err := attach(m, name, own, seed, true)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return a, nil
}

func attach(m *model.Model, name string, method Method, seed uint64, strict bool) (*Adapter, error) {
	if name == "" {
		return nil, errors.New("a name is needed; the empty one is the model without adapter")
	}
	if err := check(method); err != nil {
		return nil, err
	}
	targets, err := resolve(m, method, strict)
	if err != nil {
		return nil, err
	}
	if p, ok := method.(preparer); ok {
		if method, err = p.prepare(targets); err != nil {
			return nil, err
		}
	}
	a := &Adapter{Name: name, Method: method, model: m}
	rng := func(path string) *rand.Rand { return layerRand(seed, path) }
	if !strict {
		rng = func(string) *rand.Rand { return nil }
	}
	if err := a.adapt(targets, rng); err != nil {
		return nil, err
	}
	m.Weights(func(w *model.Weight) {
		bias := w.Tied() != nil && len(w.Shape) == 1 // which follows the copy of the one that it is
		if module, _, ok := cutLast(w.Name); ok && !bias && inModules(module, method.Settings().ModulesToSave) {
			a.copies = append(a.copies, weightCopy{Weight: w})
		}
	})
	for _, c := range a.copies {
		if c.Override(name) != nil {
			return nil, fmt.Errorf("there is an adapter %q on %s already", name, c.Weight.Name)
		}
	}
	for i, c := range a.copies {
		a.copies[i].param = c.SetOverride(name, c.Values(""))
	}
	for _, l := range a.layers {
		l.Attach(name, l.adapter, dropoutOf(method))
	}
	return a, nil
}

// adapt makes the layers' adapters.
func (a *Adapter) adapt(targets []*model.Linear, rng func(path string) *rand.Rand) error {
	for _, l := range targets {
		if l.Adapter(a.Name) != nil {
			return fmt.Errorf("there is an adapter %q on %s already", a.Name, l.Path())
		}
		p, err := a.Method.Adapt(l, rng(l.Path()))
		if err != nil {
			return err
		}
		a.layers = append(a.layers, layer{l, p})
	}
	if c, ok := a.Method.(withCourse); ok {
		a.course = c.course(a.layers)
	}
	return nil
}

// dropoutOf is the probability with which values of a layer's input are zeroed in training.
func dropoutOf(method Method) float32 {
	if d, ok := method.(interface{ dropout() float32 }); ok {
		return d.dropout()
	}
	return 0
}

// layerRand is a layer's own generator, whatever other layers have adapters.
func layerRand(seed uint64, path string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func cutLast(path string) (before, last string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// Detach takes the adapter off the model, unmerged.
func (a *Adapter) Detach() {
	a.Unmerge()
	for _, l := range a.layers {
		l.Attach(a.Name, nil, 0)
	}
	for _, c := range a.copies {
		c.SetOverride(a.Name, nil)
	}
}

// Params are what training moves, in the order of the model's layers, then the copies: a layer's path with lora_A and
// the like behind it, or the weight's name.
func (a *Adapter) Params() []model.Param {
	var all []model.Param
	for _, l := range a.layers {
		for _, p := range l.adapter.Params() {
			p.Name = l.Path() + "." + strings.TrimSuffix(p.Name, ".weight")
			all = append(all, p)
		}
	}
	for _, c := range a.copies {
		all = append(all, model.Param{Name: c.Weight.Name, Param: c.param})
	}
	return all
}

// NumTrainable counts the numbers that training moves.
func (a *Adapter) NumTrainable() int {
	n := 0
	for _, p := range a.Params() {
		n += op.Data(p.Param).Rows * op.Data(p.Param).Cols
	}
	return n
}

// ParamsChanged must be called after parameters have changed, before the next pass: DoRA takes its norms.
func (a *Adapter) ParamsChanged() {
	for _, l := range a.layers {
		if r, ok := l.adapter.(model.ParamsObserver); ok {
			r.ParamsChanged()
		}
	}
}
