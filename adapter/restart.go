package adapter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/spagotune/spagotune/model"
)

// Restart folds the adapter into the model's weights for good and begins again with a new adapter by method, whose numbers
// depend on the seed and the layer. That is a restart of ReLoRA (Lialin et al. 2023, arXiv 2307.05695, section 3) and, with
// another mora_type, of ReMoRA (MoRA's paper, section 3.3). Right after it the model computes what it did before. The
// folded weights are float32, copies of modules_to_save stay, and all other Params are new. After an error,
// or when ctx ends first, nothing has changed.
func (a *Adapter) Restart(ctx context.Context, method Method, seed uint64) error {
	if err := a.restart(ctx, method, seed); err != nil {
		return fmt.Errorf("adapter: restart: %w", err)
	}
	return nil
}

func (a *Adapter) restart(ctx context.Context, method Method, seed uint64) error {
	if a.restores != nil {
		return ErrMerged
	}
	method, err := complete(method)
	if err != nil {
		return err
	}
	if err := validateMethod(method); err != nil {
		return err
	}
	if err := a.CanRestart(); err != nil {
		return err
	}
	return a.begin(ctx, method, func(path string) *rand.Rand { return layerRand(seed, path) })
}

// CanRestart returns why the adapter cannot be folded into the weights and begin again, nil if it can.
func (a *Adapter) CanRestart() error {
	if a.hooks != nil {
		return errors.New("the method has its own schedule, which a restart would cut short")
	}
	shared := map[*model.Weight]bool{}
	a.model.Weights(func(w *model.Weight) { shared[w], shared[w.Tied()] = w.Tied() != nil, len(w.Shape) == 2 })
	for _, t := range a.tables {
		if shared[t.Weight] {
			return fmt.Errorf("%s shares its weight with a layer", t.Path())
		}
	}
	for _, l := range a.layers {
		if l.Weight.Tied() != nil {
			return fmt.Errorf("%s shares its weight with another layer", l.Path())
		}
		if _, adds := l.Adapter.(model.BiasAdder); adds && l.AddsBias(a.Name) {
			return errors.New("an adapter with lora_bias cannot be folded away and start again")
		}
	}
	return nil
}

// begin makes the new adapters on the folded weights, and keeps both if nothing fails.
func (a *Adapter) begin(ctx context.Context, method Method, rng func(path string) *rand.Rand) error {
	folded, err := a.merged(ctx)
	if err != nil {
		return err
	}
	var on targets
	for _, l := range a.layers {
		on.layers = append(on.layers, l.Linear)
	}
	for _, t := range a.tables {
		on.tables = append(on.tables, t.Weight)
	}
	a.takeOff()
	var restores []func()
	for w, m := range folded {
		restores = append(restores, w.Replace(m))
	}
	err = a.makeLayers(ctx, method, on, rng)
	for _, restore := range restores {
		restore()
	}
	if err == nil {
		for w, m := range folded {
			w.SetValues(m.Data)
		}
	}
	a.putOn()
	a.baseChanged()
	return err
}

// BaseWeights calls f for the weights and biases of the adapted layers and for the adapted tables, in the model's order:
// Restart folds into these.
func (a *Adapter) BaseWeights(f func(w *model.Weight)) {
	for _, l := range a.layers {
		f(l.Weight)
		if l.Bias != nil {
			f(l.Bias)
		}
	}
	for _, t := range a.tables {
		f(t.Weight)
	}
}

// RestoreBase gives the weights of BaseWeights the values that an earlier Restart made, by name. A weight that is not in
// values keeps its own.
func (a *Adapter) RestoreBase(values map[string][]float32) {
	a.BaseWeights(func(w *model.Weight) {
		if v := values[w.Name]; len(v) == w.Size() {
			w.SetValues(v)
		}
	})
	a.ParamsChanged()
}
