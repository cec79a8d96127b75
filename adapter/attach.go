package adapter

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Adapter is an adapter on a model: what its method made for every layer and table that the settings choose, the trained
// rows of trainable_token_indices, and the trained copies of modules_to_save and of biases.
type Adapter struct {
	// Name chooses the adapter in a pass (op.Pass.Adapter).
	Name string
	// Method has the settings, complete.
	Method Method
	// OtherBase says that the adapter, which was loaded, was trained on another file than the model's (see
	// model.Model.Fingerprint): other weights, or the same ones in another type.
	OtherBase bool
	// TokenizerFingerprint tells the tokenizer that the adapter was trained with from others (tokenizer.Tokenizer.Fingerprint); "" where
	// that is not known. Save writes it.
	TokenizerFingerprint string

	fits     func(Layer) error // whether the tensors of a layer that was made fit the file that is loaded; nil for a new adapter
	model    *model.Model
	layers   []Layer
	tables   []Table
	tokens   []*tokenRows
	copies   []weightCopy
	base     []baseWeight
	hooks    Hooks    // nil where the method has none
	restores []func() // not nil while merged
	detached bool
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
	if err := takePEFTDefault(m, own); err != nil {
		return nil, err
	}
	targets, err := resolve(m, own, true)
	if err != nil {
		return nil, err
	}
	a := &Adapter{Name: name, Method: own, model: m}
	return a, a.attach(ctx, targets, func(path string) *rand.Rand { return layerRand(seed, path) })
}

// attach puts the adapter on the targets; rng makes the generator of a layer.
func (a *Adapter) attach(ctx context.Context, on targets, rng func(path string) *rand.Rand) error {
	if a.Name == "" {
		return errors.New("a name is needed; the empty one is the model without adapter")
	}
	if err := a.makeLayers(ctx, a.Method, on, rng); err != nil {
		return err
	}
	if a.model.HasAdapter(a.Name) {
		return ofKind(ErrNameTaken, fmt.Errorf("there is an adapter %q on other layers of the model already", a.Name))
	}
	var err error
	if a.tokens, err = a.trainTokens(); err != nil {
		return err
	}
	if err := a.copyWeights(on.layers); err != nil {
		return err
	}
	a.putOn()
	return nil
}

// taken says that a layer or a table has an adapter of the name.
func (a *Adapter) taken(path string) error {
	return ofKind(ErrNameTaken, fmt.Errorf("there is an adapter %q on %s already", a.Name, path))
}

// makeLayers makes the layers' and tables' adapters, and puts them on none yet.
func (a *Adapter) makeLayers(ctx context.Context, method Method, on targets, rng func(path string) *rand.Rand) error {
	for _, l := range on.layers {
		if l.Adapter(a.Name) != nil {
			return a.taken(l.Path())
		}
	}
	if p, ok := method.(TargetPreparer); ok {
		var err error
		if method, err = p.PrepareTargets(on.layers); err != nil {
			return err
		}
	}
	var layers []Layer
	for _, l := range on.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		made, err := method.Adapt(l, rng(l.Path()))
		if err == nil {
			err = checkLayer(made)
		}
		if err == nil && a.fits != nil {
			err = a.fits(Layer{l, made})
		}
		if err != nil {
			return err
		}
		layers = append(layers, Layer{l, made})
	}
	tables, err := a.makeTables(method, on.tables, rng)
	if err != nil {
		return err
	}
	a.Method, a.layers, a.tables = method, layers, tables
	if h, ok := method.(HookProvider); ok {
		a.hooks = h.Hooks(layers)
	}
	return nil
}

// putOn puts the layers' and tables' adapters on them, and the copies in the weights' places.
func (a *Adapter) putOn() {
	dropout := float32(0)
	if d, ok := a.Method.(InputDropper); ok {
		dropout = d.InputDropout()
	}
	for _, l := range a.layers {
		l.Attach(a.Name, l.Adapter, dropout)
	}
	for _, t := range a.tables {
		t.Attach(a.Name, t.Adapter)
	}
	for _, t := range a.tokens {
		t.putOn(a.Name)
	}
	for _, c := range a.copies {
		c.PutOverride(a.Name, c.param)
	}
}

// takeOff undoes putOn.
func (a *Adapter) takeOff() {
	for _, l := range a.layers {
		l.Attach(a.Name, nil, 0)
	}
	for _, t := range a.tables {
		t.Attach(a.Name, nil)
	}
	for _, t := range a.tokens {
		t.takeOff(a.Name)
	}
	for _, c := range a.copies {
		c.SetOverride(a.Name, nil)
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

// Detach takes the adapter off the model, for good. If it is merged, it is unmerged first. A second call does nothing.
func (a *Adapter) Detach() {
	if a.detached {
		return
	}
	a.detached = true
	a.Unmerge()
	a.takeOff()
	a.restoreBase()
}

// Layers lists the adapted layers in the model's order.
func (a *Adapter) Layers() []Layer { return slices.Clone(a.layers) }

// Params lists what training moves: the parameters of the adapted layers in the model's order, those of tables and of
// tokens, then the trained copies of weights. A layer's parameter is named after the layer's path, such as
// model.layers.0.mlp.up_proj.lora_A; a copy has the weight's name.
func (a *Adapter) Params() []model.Param {
	var all []model.Param
	add := func(path string, params []model.Param, expert bool) {
		for _, p := range params {
			p.Idle = p.Idle || expert
			p.Name = path + "." + strings.TrimSuffix(p.Name, ".weight")
			all = append(all, p)
		}
	}
	for _, l := range a.layers {
		add(l.Path(), l.Adapter.Params(), l.Weight.OfExpert())
	}
	for _, t := range a.tables {
		add(t.Path(), t.Adapter.Params(), false)
	}
	for _, t := range a.tokens {
		add(t.path, t.Params(), false)
	}
	for _, c := range a.copies {
		all = append(all, model.Param{Name: c.Weight.Name, Param: c.param, Idle: c.optional || c.Weight.OfExpert()})
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
	for _, t := range a.tables {
		if r, ok := t.Adapter.(model.ParamsObserver); ok {
			r.ParamsChanged()
		}
	}
}
