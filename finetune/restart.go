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

// baseFile is the file of a checkpoint that holds the base weights that earlier adapters were merged into.
const baseFile = "base.safetensors"

// restartChange is how much a restart may change a logit, relative to the largest logit. Rounding alone has come to 1.1e-4, with an
// adapter far larger than its base (alpha 256 at a rate of 2e-3); a wrong merge changes logits by as much as they are.
const restartChange = 1e-3

// restartDue reports whether the run restarts before its next step: once every relora_steps.
func (r *run) restartDue() bool {
	return r.config.Train.ReLoRASteps > 0 && r.state.Restarts < r.state.Step/r.config.Train.ReLoRASteps && r.state.Step < r.totalSteps
}

// restart merges the adapter into the base and attaches a new one, with a new optimizer state (ReLoRA, Lialin et al.
// 2023). A MoRA takes the next type of its cycle. The model's output must not change.
func (r *run) restart(ctx context.Context) error {
	probes, err := r.session.Probes()
	if err != nil {
		return err
	}
	before, err := infer.Logits(ctx, r.model, infer.AdapterName, probes)
	if err != nil {
		return err
	}
	method, err := r.methodAt(r.state.Restarts + 1)
	if err != nil {
		return err
	}
	if err := r.adapter.Restart(ctx, method, deriveSeed(r.config.Train.Seed, purposeAdapter, r.state.Restarts+1)); err != nil {
		return err
	}
	r.state.Restarts++
	after, err := infer.Logits(context.WithoutCancel(ctx), r.model, infer.AdapterName, probes)
	if err != nil {
		return err
	}
	change := infer.CompareLogits(before, after)
	event := r.options.Log.Info().Int("step", r.state.Step).Float64("largest_logit_change", change.Largest)
	if m, ok := method.(*adapter.MoRA); ok {
		event = event.Stringer("mora_type", m.Type)
	}
	event.Msg("restart: the adapter was merged into the base, a new one begins")
	if !(change.Largest <= restartChange*math.Max(1, change.Scale)) {
		return fmt.Errorf("restart after step %d: a logit changed by %g (the largest is %g): the output must stay what it was", r.state.Step, change.Largest, change.Scale)
	}
	r.trainer.setAdapter(r.adapter)
	reset := r.trainer.Optimizer.Restart(r.trainer.Params)
	if reset == 0 {
		return fmt.Errorf("restart after step %d: no optimizer state was reset", r.state.Step)
	}
	r.options.Log.Info().Int("step", r.state.Step).Int("reset", reset).Msg("optimizer state of the adapter's parameters was reset to zero")
	return nil
}

// methodAt returns the run's method after a number of restarts. A MoRA takes the types of relora_mora_types in turn.
func (r *run) methodAt(restarts int) (adapter.Method, error) {
	method, err := adapter.New(r.config.Method.Name, r.config.Method.Settings)
	if err != nil {
		return nil, err
	}
	method.Settings().BaseModel = r.config.baseModel()
	r.addHeadToSave(method.Settings())
	if err := r.addNewTokens(method.Settings()); err != nil {
		return nil, err
	}
	if m, ok := method.(*adapter.MoRA); ok && len(r.config.Train.ReLoRAMoRATypes) > 0 {
		m.Type = adapter.MoRAType(r.config.Train.ReLoRAMoRATypes[restarts%len(r.config.Train.ReLoRAMoRATypes)])
	}
	return method, nil
}

// saveBase writes the base weights that adapters were merged into.
func (r *run) saveBase(dir string) error {
	if r.state.Restarts == 0 {
		return nil
	}
	var tensors []checkpoint.Tensor
	r.adapter.BaseWeights(func(w *model.Weight) { tensors = append(tensors, checkpoint.F32(w.Name, w.Values(""), w.Shape...)) })
	return checkpoint.Write(filepath.Join(dir, baseFile), tensors, nil)
}

// loadBase restores what saveBase wrote.
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
	r.adapter.BaseWeights(func(w *model.Weight) {
		t, ok := f.Get(w.Name)
		if !ok || t.Size() != w.Size() {
			err = fmt.Errorf("%s: %s is missing or has another shape; want %v", path, w.Name, w.Shape)
		} else if v, e := t.Float32s(); e != nil {
			err = e
		} else {
			values[w.Name] = v
		}
	})
	if err != nil {
		return err
	}
	r.adapter.RestoreBase(values)
	return nil
}
