package adapter

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Adapter is an adapter on a model: what its method made for every layer that the settings choose, and the trained copies
// of modules_to_save.
type Adapter struct {
	// Name chooses the adapter in a pass (op.Pass.Adapter).
	Name string
	// Method has the settings, complete.
	Method Method

	model    *model.Model
	layers   []Layer
	copies   []weightCopy
	hooks    Hooks    // nil where the method has none
	restores []func() // not nil while merged
}

// weightCopy is a weight that is trained whole.
type weightCopy struct {
	*model.Weight
	param *nn.Param
}

// Attach puts an untrained adapter on a model under a name. Settings that are zero in method take their defaults; method
// itself is not changed. Every name and pattern of the settings must match something; the error suggests the nearest
// names. The numbers that an adapter draws depend on the seed and the layer alone. After an error, or when ctx ends before
// the last layer is made, nothing is attached; PiSSA and others that decompose weights take seconds for a large model.
func Attach(ctx context.Context, m *model.Model, name string, method Method, seed uint64) (*Adapter, error) {
	a, err := attachNew(ctx, m, name, method, seed)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return a, nil
}

func attachNew(ctx context.Context, m *model.Model, name string, method Method, seed uint64) (*Adapter, error) {
	own, err := complete(method)
	if err != nil {
		return nil, err
	}
	if err := validateMethod(own); err != nil {
		return nil, err
	}
	targets, err := resolve(m, own, true)
	if err != nil {
		return nil, err
	}
	return attach(ctx, m, name, own, targets, func(path string) *rand.Rand { return layerRand(seed, path) })
}

// attach puts an adapter on the targets; rng makes the generator of a layer.
func attach(ctx context.Context, m *model.Model, name string, method Method, targets []*model.Linear, rng func(path string) *rand.Rand) (*Adapter, error) {
	if name == "" {
		return nil, errors.New("a name is needed; the empty one is the model without adapter")
	}
	a := &Adapter{Name: name, model: m}
	if err := a.makeLayers(ctx, method, targets, rng); err != nil {
		return nil, err
	}
	m.Weights(func(w *model.Weight) {
		bias := w.Tied() != nil && len(w.Shape) == 1 // such a bias follows the copy of the weight that it is tied to
		if module, _, ok := cutLast(w.Name); ok && !bias && inModules(module, a.Method.Settings().ModulesToSave) {
			a.copies = append(a.copies, weightCopy{Weight: w})
		}
	})
	for _, c := range a.copies {
		if c.Override(name) != nil {
			return nil, ofKind(ErrNameTaken, fmt.Errorf("there is an adapter %q on %s already", name, c.Weight.Name))
		}
	}
	for i, c := range a.copies {
		a.copies[i].param = c.SetOverride(name, c.Values(""))
	}
	a.putOn()
	return a, nil
}

// makeLayers makes the layers' adapters, and puts them on no layer yet.
func (a *Adapter) makeLayers(ctx context.Context, method Method, targets []*model.Linear, rng func(path string) *rand.Rand) error {
	for _, l := range targets {
		if l.Adapter(a.Name) != nil {
			return ofKind(ErrNameTaken, fmt.Errorf("there is an adapter %q on %s already", a.Name, l.Path()))
		}
	}
	if p, ok := method.(TargetPreparer); ok {
		var err error
		if method, err = p.PrepareTargets(targets); err != nil {
			return err
		}
	}
	var layers []Layer
	for _, l := range targets {
		if err := ctx.Err(); err != nil {
			return err
		}
		made, err := method.Adapt(l, rng(l.Path()))
		if err == nil {
			err = checkLayer(made)
		}
		if err != nil {
			return err
		}
		layers = append(layers, Layer{l, made})
	}
	a.Method, a.layers = method, layers
	if h, ok := method.(HookProvider); ok {
		a.hooks = h.Hooks(layers)
	}
	return nil
}

// putOn puts the layers' adapters on their layers.
func (a *Adapter) putOn() {
	dropout := float32(0)
	if d, ok := a.Method.(InputDropper); ok {
		dropout = d.InputDropout()
	}
	for _, l := range a.layers {
		l.Attach(a.Name, l.Adapter, dropout)
	}
}

// takeOff takes the layers' adapters off their layers.
func (a *Adapter) takeOff() {
	for _, l := range a.layers {
		l.Attach(a.Name, nil, 0)
	}
}

// layerRand is a layer's own generator, whatever other layers have adapters.
func layerRand(seed uint64, path string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// cutLast cuts a path before its last component.
func cutLast(path string) (before, last string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// Detach takes the adapter off the model. If it is merged, it is unmerged first.
func (a *Adapter) Detach() {
	a.Unmerge()
	a.takeOff()
	for _, c := range a.copies {
		c.SetOverride(a.Name, nil)
	}
}

// Layers lists the adapted layers in the model's order.
func (a *Adapter) Layers() []Layer { return slices.Clone(a.layers) }

// Params lists what training moves: the parameters of the adapted layers in the model's order, then the trained copies of
// weights. A layer's parameter is named after the layer's path, such as model.layers.0.mlp.up_proj.lora_A; a copy has the
// weight's name.
func (a *Adapter) Params() []model.Param {
	var all []model.Param
	for _, l := range a.layers {
		for _, p := range l.Adapter.Params() {
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

// ParamsChanged must be called after parameters have changed and before the next pass: DoRA computes its norms again.
func (a *Adapter) ParamsChanged() {
	for _, l := range a.layers {
		if r, ok := l.Adapter.(model.ParamsObserver); ok {
			r.ParamsChanged()
		}
	}
}
