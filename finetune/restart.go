package finetune

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// baseFile holds, in a checkpoint of a run that has restarted, the weights that adapters were folded into.
const baseFile = "base.safetensors"

// restartChange is how far a restart may move a logit, over the largest logit.
const restartChange = 1e-4

// restartDue says whether the run restarts before its next step: every relora_steps, once.
func (r *run) restartDue() bool {
	return r.c.Train.ReLoRASteps > 0 && r.state.Restarts < r.state.Step/r.c.Train.ReLoRASteps && r.state.Step < r.total
}

// restart folds the adapter into the base and starts it anew, as the next type of a MoRA's cycle, with a new optimizer
// state. The model's output must be what it was.
func (r *run) restart(ctx context.Context) error {
	probes, err := r.s.Probes()
	if err != nil {
		return err
	}
	before, err := infer.Logits(r.m, infer.AdapterName, probes)
	if err != nil {
		return err
	}
	method, err := r.methodAt(r.state.Restarts + 1)
	if err != nil {
		return err
	}
	if err := r.a.Restart(ctx, method, stream(r.c.Train.Seed, forAdapter, r.state.Restarts+1)); err != nil {
		return err
	}
	r.state.Restarts++
	after, err := infer.Logits(r.m, infer.AdapterName, probes)
	if err != nil {
		return err
	}
	change := infer.Compare(before, after)
	event := r.o.Log.Info().Int("step", r.state.Step).Float64("largest_logit_change", change.Largest)
	if m, ok := method.(*adapter.MoRA); ok {
		event = event.Stringer("mora_type", m.Type)
	}
	event.Msg("restart: the adapter is folded into the base and starts anew")
	if !(change.Largest <= restartChange*math.Max(1, change.Scale)) {
		return fmt.Errorf("restart after step %d: a logit changed by %g (the largest is %g): the output must stay what it was", r.state.Step, change.Largest, change.Scale)
	}
	reset := r.t.AdamW.restart(r.a.Params())
	if reset == 0 {
		return fmt.Errorf("restart after step %d: no optimizer state was reset", r.state.Step)
	}
	r.t.use(r.a)
	r.o.Log.Info().Int("step", r.state.Step).Int("reset", reset).Msg("optimizer state of the adapter's parameters is zero again")
	return nil
}

// methodAt is the run's method behind so many restarts: a MoRA takes the types of relora_mora_types in turns.
func (r *run) methodAt(restarts int) (adapter.Method, error) {
	method, err := adapter.New(r.c.Method.Name, r.c.Method.Settings)
	if err != nil {
		return nil, err
	}
	method.Settings().BaseModel = r.c.baseModel()
	r.saveHead(method.Settings())
	if m, ok := method.(*adapter.MoRA); ok && len(r.c.Train.ReLoRAMoRATypes) > 0 {
		m.Type = adapter.MoRAType(r.c.Train.ReLoRAMoRATypes[restarts%len(r.c.Train.ReLoRAMoRATypes)])
	}
	return method, nil
}

// saveBase writes the weights that adapters were folded into.
func (r *run) saveBase(dir string) error {
	if r.state.Restarts == 0 {
		return nil
	}
	var tensors []checkpoint.Tensor
	r.a.BaseWeights(func(w *model.Weight) { tensors = append(tensors, checkpoint.F32(w.Name, w.Values(""), w.Shape...)) })
	return checkpoint.Write(filepath.Join(dir, baseFile), tensors, nil)
}

// loadBase puts them back.
func (r *run) loadBase(dir string) error {
	path := filepath.Join(dir, baseFile)
	if r.state.Restarts == 0 {
		return nil
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	values := map[string][]float32{}
	r.a.BaseWeights(func(w *model.Weight) {
		t, ok := f.Get(w.Name)
		if !ok || t.Size() != w.Size() {
			err = fmt.Errorf("%s: no %s in its shape", path, w.Name)
		} else if v, e := t.Float32s(); e != nil {
			err = e
		} else {
			values[w.Name] = v
		}
	})
	if err != nil {
		return err
	}
	r.a.RestoreBase(values)
	return nil
}
