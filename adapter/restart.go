package adapter

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// Restart folds the adapter into the model's weights for good and starts it anew as method, with numbers that depend on
// seed and layer: a restart of ReLoRA (Lialin et al. 2023, arXiv 2307.05695, section 3), and with another mora_type one
// of ReMoRA (MoRA's paper, section 3.3). The model computes right after what it did before. The folded weights are
// float32; copies of modules_to_save go on as they are. All other Params are new ones.
func (a *Adapter) Restart(method Method, seed uint64) error {
	if err := a.restart(method, seed); err != nil {
		return fmt.Errorf("adapter: restart: %w", err)
	}
	return nil
}

func (a *Adapter) restart(method Method, seed uint64) error {
	if a.restores != nil {
		return errMerged
	}
	if a.course != nil {
		return errors.New("the method has a schedule of its own, which a restart would cut")
	}
	method, err := complete(method)
	if err != nil {
		return err
	}
	if err := check(method); err != nil {
		return err
	}
	var targets []*model.Linear
	for _, l := range a.layers {
		targets = append(targets, l.Linear)
		if l.Weight.Tied() != nil {
			return fmt.Errorf("%s shares its weight with another layer", l.Path())
		}
	}
	sources, err := a.folded()
	if err != nil {
		return err
	}
	if p, ok := method.(preparer); ok {
		if method, err = p.prepare(targets); err != nil {
			return err
		}
	}
	for w, s := range sources {
		w.SetValues(s.Data)
	}
	for _, l := range a.layers {
		l.Attach(a.Name, nil, 0)
		l.ParamsChanged()
	}
	a.layers, a.Method = nil, method
	if err := a.adapt(targets, func(path string) *rand.Rand { return layerRand(seed, path) }); err != nil {
		return err
	}
	for _, l := range a.layers {
		l.Attach(a.Name, l.adapter, dropoutOf(method))
	}
	return nil
}

// folded are the layers' weights and biases with the adapter folded in.
func (a *Adapter) folded() (map[*model.Weight]tensor.Matrix, error) {
	sources := map[*model.Weight]tensor.Matrix{}
	for _, l := range a.layers {
		w := dense(l.Source(a.Name))
		if notFinite(w.Data) >= 0 {
			return nil, fmt.Errorf("%s.weight would hold NaN or an infinite value", l.Path())
		}
		sources[l.Weight] = w
		if l.Bias == nil {
			continue
		}
		b := tensor.New(1, l.Bias.Size())
		copy(b.Data, l.BiasOf(a.Name))
		if notFinite(b.Data) >= 0 {
			return nil, fmt.Errorf("%s.bias would hold NaN or an infinite value", l.Path())
		}
		sources[l.Bias] = b
	}
	return sources, nil
}

// BaseWeights calls f for the weights and biases of the adapted layers, in their order: what Restart folds into.
func (a *Adapter) BaseWeights(f func(w *model.Weight)) {
	for _, l := range a.layers {
		f(l.Weight)
		if l.Bias != nil {
			f(l.Bias)
		}
	}
}

// RestoreBase gives those weights the values that an earlier Restart made; others of the name that values lacks keep theirs.
func (a *Adapter) RestoreBase(values map[string][]float32) {
	a.BaseWeights(func(w *model.Weight) {
		if v := values[w.Name]; len(v) == w.Size() {
			w.SetValues(v)
		}
	})
	a.ParamsChanged()
}
