package optim

import (
	"fmt"

	"github.com/spagotune/spagotune/checkpoint"
)

// tensor is the state as a checkpoint holds it, over the same memory.
func (s StateTensor) tensor(param string) checkpoint.Tensor {
	name := s.Name + "." + param
	if s.DType == checkpoint.DTypeU8 {
		return checkpoint.Tensor{Name: name, DType: s.DType, Shape: s.Shape, Data: s.Uint8}
	}
	return checkpoint.F32(name, s.Float32, s.Shape...)
}

// Save writes the state of the parameters that the optimizer owns, each tensor under its own name and the parameter's, and the step
// counts, as step.PARAMETER. parts are files that other optimizers have saved of the rest: their content is written, too.
func (o *Optimizer) Save(path string, parts ...string) error {
	var ts []checkpoint.Tensor
	for i, p := range o.params {
		if !o.owns[i] {
			continue
		}
		for _, s := range o.states[i] {
			ts = append(ts, s.tensor(p.Name))
		}
		ts = append(ts, checkpoint.F32("step."+p.Name, []float32{float32(o.steps[i])}, 1))
	}
	for _, part := range parts {
		f, err := checkpoint.Open(part)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		for _, name := range f.Names() {
			t, _ := f.Get(name)
			ts = append(ts, t)
		}
	}
	return checkpoint.Write(path, ts, nil)
}

// Load reads what Save wrote of all parameters; of the state it takes that of those that the optimizer owns.
func (o *Optimizer) Load(path string) error {
	f, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	read := func(into checkpoint.Tensor) error {
		t, ok := f.Get(into.Name)
		if !ok || t.DType != into.DType || len(t.Data) != len(into.Data) {
			return fmt.Errorf("%s: %s is missing, or does not have %d values of type %s", path, into.Name, into.Size(), into.DType)
		}
		copy(into.Data, t.Data)
		return nil
	}
	for i, p := range o.params {
		steps := []float32{0}
		all := []checkpoint.Tensor{checkpoint.F32("step."+p.Name, steps, 1)}
		for _, s := range o.states[i] {
			all = append(all, s.tensor(p.Name))
		}
		for _, t := range all {
			if err := read(t); err != nil {
				return err
			}
		}
		o.steps[i] = int(steps[0])
	}
	return nil
}
