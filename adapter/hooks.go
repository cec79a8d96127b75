package adapter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint"
)

// course is what a method does in training beside following its gradients.
type course interface {
	// begin hears how many steps the run has.
	begin(total int) error
	// afterGradients may add to the gradients of a step when they are complete.
	afterGradients()
	// afterUpdate hears that a step, counted from 1, has moved the parameters; their gradients are still there.
	afterUpdate(step int)
	// state is what must be kept for a run that goes on later.
	state() []named
}

// named is a part of a course's state, nil or of a size.
type named struct {
	name   string
	values *[]float32
	size   int
}

// withCourse is implemented by a method that has a course.
type withCourse interface{ course(layers []layer) course }

// OnTrainBegin must be called before the first step of training, or the first after Load, with the number of steps of the
// whole run: AdaLoRA's schedule is for that. The error says which setting does not fit.
func (a *Adapter) OnTrainBegin(total int) error {
	if a.course == nil {
		return nil
	}
	if err := a.course.begin(total); err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	return nil
}

// OnPreOptimizerStep must be called when the gradients of a step are complete, before they are clipped: AdaLoRA adds those
// of its regulariser.
func (a *Adapter) OnPreOptimizerStep() {
	if a.course != nil {
		a.course.afterGradients()
	}
}

// OnStepEnd must be called when step, counted from 1, has moved the parameters and their gradients are still there:
// AdaLoRA hands out its budget.
func (a *Adapter) OnStepEnd(step int) {
	if a.course != nil {
		a.course.afterUpdate(step)
	}
}

const stateFile = "adapter_state.safetensors"

// SaveState writes what training needs beside the parameters into a folder, where the method has such.
func (a *Adapter) SaveState(dir string) error {
	if a.course == nil {
		return nil
	}
	var ts []checkpoint.Tensor
	for _, n := range a.course.state() {
		if *n.values != nil {
			ts = append(ts, checkpoint.F32(n.name, *n.values, len(*n.values)))
		}
	}
	if err := checkpoint.Write(filepath.Join(dir, stateFile), ts, nil); err != nil {
		return fmt.Errorf("adapter: save the state of %s: %w", a.Name, err)
	}
	return nil
}

// LoadState reads what SaveState wrote.
func (a *Adapter) LoadState(dir string) error {
	if a.course == nil {
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
	for _, n := range a.course.state() {
		t, ok := f.Get(n.name)
		if !ok && *n.values == nil {
			continue
		}
		if !ok || t.Size() != n.size {
			return fmt.Errorf("%s: no %s of size %d", path, n.name, n.size)
		}
		if *n.values, err = t.Float32s(); err != nil {
			return err
		}
	}
	return nil
}
