package adapter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint"
)

// OnTrainBegin must be called with the number of steps of the whole run before the first step of training, or before the
// first one after Load: AdaLoRA's schedule depends on it. The error says which setting does not fit.
func (a *Adapter) OnTrainBegin(total int) error {
	if a.hooks == nil {
		return nil
	}
	if err := a.hooks.OnTrainBegin(total); err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	return nil
}

// ReadsGradients says whether the method looks at the gradients of all parameters, in OnPreOptimizerStep or OnStepEnd.
func (a *Adapter) ReadsGradients() bool { return a.hooks != nil }

// OnPreOptimizerStep must be called when the gradients of a step are complete, before they are clipped: AdaLoRA adds the
// gradients of its regulariser.
func (a *Adapter) OnPreOptimizerStep() {
	if a.hooks != nil {
		a.hooks.OnPreOptimizerStep()
	}
}

// OnStepEnd must be called after a step, counted from 1, has moved the parameters, while their gradients are still there:
// AdaLoRA gives out its budget.
func (a *Adapter) OnStepEnd(step int) {
	if a.hooks != nil {
		a.hooks.OnStepEnd(step)
	}
}

const stateFile = "adapter_state.safetensors"

// SaveState writes into a folder what training needs besides the parameters, where the method has Hooks.
func (a *Adapter) SaveState(dir string) error {
	if a.hooks == nil {
		return nil
	}
	var ts []checkpoint.Tensor
	for _, s := range a.hooks.State() {
		if *s.Values != nil {
			ts = append(ts, checkpoint.F32(s.Name, *s.Values, len(*s.Values)))
		}
	}
	if err := checkpoint.Write(filepath.Join(dir, stateFile), ts, nil); err != nil {
		return fmt.Errorf("adapter: save the state of %s: %w", a.Name, err)
	}
	return nil
}

// LoadState reads what SaveState wrote.
func (a *Adapter) LoadState(dir string) error {
	if a.hooks == nil {
		return nil
	}
	if err := a.loadState(filepath.Join(dir, stateFile)); err != nil {
		return fmt.Errorf("adapter: load the state of %s: %w", a.Name, err)
	}
	return nil
}

func (a *Adapter) loadState(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no file %s", path)
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for _, s := range a.hooks.State() {
		t, ok := f.Get(s.Name)
		if !ok && *s.Values == nil {
			continue
		}
		if !ok || t.Size() != s.Size {
			return fmt.Errorf("%s: no %s of size %d", path, s.Name, s.Size)
		}
		if *s.Values, err = t.Float32s(); err != nil {
			return err
		}
	}
	return nil
}
